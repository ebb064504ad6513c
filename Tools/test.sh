#!/usr/bin/env bash
# Runs every test of the built package, then the device tests on simulated CUDA devices, and the tests of kernels, memory
# and parity with the instruction sets of older processors. The last lines are the failed tests and those that no pass ran.
# Arguments go to `swift test`, in one plain pass: `Tools/test.sh --filter ResumeTests`.
# Most tests run one after another because each uses all cores for seconds; in parallel, time limits would be exceeded.
set -uo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/temporary"
export TMPDIR=$folder/temporary
passes=()
result=0

# pass NAME [VARIABLE=VALUE ...] -- [arguments of swift test]
# Tests run one after another, or `together` at a time.
together=1
pass() {
  local name=$1 environment=() status events=$folder/${#passes[@]}
  shift
  while [ "$1" != -- ]; do
    environment+=("$1")
    shift
  done
  shift
  printf '\n== %s ==\n' "$name${environment[*]:+ (${environment[*]})}"
  env SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH="$together" ${environment[@]+"${environment[@]}"} \
    swift test -c release --skip-build "$([ "$together" = 1 ] && echo --no-parallel || echo --parallel)" \
    --event-stream-output-path "$events" --event-stream-version 0 "$@"
  status=$?
  [ "$status" -eq 0 ] || result=$status
  passes+=("$name" "$status" "$events")
}

# The simulated GPU; tests find its programs by this variable.
export SIMULATED_CUDA=$PWD/.build/simulated-cuda
make -C Tests/SimulatedCUDA --no-print-directory TORCH="${LIBTORCH:-$PWD/.libtorch/torch}" OUT="$SIMULATED_CUDA" || exit

# Tests whose outcome depends on the instruction set; those that are skipped compute next to nothing with libtorch.
kernels=(
  --filter '^(TorchTests|TorchNNTests|CPUKernelsTests|DiffusionModelsTests)\.'
  --filter 'Parity|EmbeddedModel|PolicyInvariant|TrainerTests'
  --skip '\.(LoadingMemoryTests|SafetensorsFuzzTests|SimulatedCUDATests|ThreadStressTests)/'
)
# Suites whose tests wait for child processes that compute on one core, or wait themselves, and that have no time limit or
# one of minutes.
children='\.((|Flux|QwenImage|AutoencoderKLQwenImage|Loading)MemoryTests|(MemoryTable|DocumentedCommand'
children+='|ProcessEquality|Command|EditCommand|ExportCommand|ScoreCommand|ScalingSimulation'
children+='|ManyProcesses|LostProcess|JoinRefusal)Tests)/'
if [ $# -gt 0 ]; then
  pass 'chosen tests' -- "$@"
else
  pass 'this processor' -- --skip "$children"
  together=2 pass 'this processor, two at a time' -- --filter "$children"
  pass 'simulated CUDA' LD_LIBRARY_PATH="$SIMULATED_CUDA${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" -- \
    --filter 'Device|on the GPU|SharedBlocks'
  # Only suites with the trait `.cpuKernels` or tests of the kernel itself compute anything else without it.
  pass "libtorch's kernels" TEMPFLOW_CPU_KERNELS=off -- \
    --filter '^CPUKernelsTests\.|FusedJointBlock|EmbeddedModelTests|HeldOutRewardRunTests|RewardTwinTests'
  # Without AVX-512 the first pass was this one.
  if grep -qw avx512f /proc/cpuinfo; then
    pass 'AVX2' ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 \
      MKL_ENABLE_INSTRUCTIONS=AVX2 -- "${kernels[@]}"
  fi
  # Its kernels stand for those of unusual processors; how much memory they take is of no interest.
  pass 'SSE4.1' ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
    MKL_ENABLE_INSTRUCTIONS=SSE4_2 -- "${kernels[@]}" \
    --skip '\.((Flux|QwenImage|AutoencoderKLQwenImage|)MemoryTests|WeightResidencyTests)/'
fi

python3 Tools/test_summary.py "${passes[@]}" || result=1
exit "$result"
