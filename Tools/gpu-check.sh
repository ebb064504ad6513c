#!/usr/bin/env bash
# Checks TempFlow on a machine with an NVIDIA GPU and PyTorch, without Swift and without a network.
# Usage: `Tools/gpu-check.sh --help`; the steps are in gpu-check/steps.sh.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 2
root=$PWD
# The folder of all output.
readonly base=$root/.gpu-check
export root base
export archive=$base/gpu-check.tar.xz programs=$base/programs work=$base/work results=$base/results

usage() {
  cat <<'EOF'
Checks TempFlow on a machine with an NVIDIA GPU, Python 3 with PyTorch 2.11 for CUDA 13, transformers
and accelerate.

  Tools/gpu-check.sh pack           on the build machine (swift build -c release --build-tests): writes
                                    .gpu-check/gpu-check.tar.xz; copy it to the same path on the GPU machine
  Tools/gpu-check.sh one [STEP...]  on the GPU machine: commands, tests, equal runs, NCCL, rounding; at most five minutes
  Tools/gpu-check.sh two [STEP...]  on the GPU machine: an iteration compared with Python; at most five minutes
  Tools/gpu-check.sh three [STEP...]  on the GPU machine: FLUX.1-dev and Qwen-Image at full width, in a few blocks; at
                                    most five minutes
  Tools/gpu-check.sh table          all results so far, as one Markdown table

A step with a result in .gpu-check/results is skipped unless it is an argument; 'iteration' keeps the measurements
of each program in results/bench. The status is 0 when all steps passed, 1 when not, 2 when none can run. $OUT,
if set, is a folder for copies: table.md, results.tar.gz.
  GPU_CHECK_SECONDS=290    time limit of a stage       GPU_CHECK_PYTHON=python3    the Python with PyTorch
  GPU_CHECK_SMALL=1        without a GPU: tiny models, the Python program on the CPU, and tempflow with
  GPU_CHECK_LIBRARIES=DIR  libraries before PyTorch's, such as the output of Tests/SimulatedCUDA
EOF
}

say() { printf 'gpu-check: %s\n' "$1"; }
fail() {
  printf 'gpu-check: error: %s\n' "$1" >&2
  exit 2
}

# In the order of the table.
readonly stage_one=(doctor tests train sample evaluate score resume repeat world repeat-lora checkpoint
  deviation-bfloat16-rollout deviation-bfloat16-recomputed deviation-float16-rollout deviation-float16-recomputed
  repeat-width memory)
readonly stage_two=(iteration)
readonly stage_three=(flux-checkpoint flux-bfloat16 flux-repeat flux-offload flux-int8
  qwen-checkpoint qwen-bfloat16 qwen-repeat qwen-offload qwen-int8)

table() {
  local name
  printf '| check | result | figure |\n|---|---|---|\n'
  [ ! -e "$results/machine.tsv" ] || rows "$results/machine.tsv"
  for name in "${stage_one[@]}" "${stage_two[@]}" "${stage_three[@]}"; do
    [ ! -e "$results/$name.tsv" ] || rows "$results/$name.tsv"
  done
}

rows() { # a file of tab-separated lines
  sed -e 's/|/\\|/g' -e 's/\t/ | /g' -e 's/^/| /' -e 's/$/ |/' "$1"
}

copy_results() { # to $OUT, as two files for any number of steps
  [ -n "${OUT:-}" ] || return 0
  mkdir -p "$OUT"
  table >"$OUT/table.md"
  tar -czf "$OUT/.results" -C "$base" results && mv "$OUT/.results" "$OUT/results.tar.gz"
}

step() { # name, time limit in seconds
  local name=$1 limit=$2 left start seconds status=0 outcome figure message
  local result=$results/$name.tsv log=$results/$name.log
  # A simulated device is slow.
  [ -z "${GPU_CHECK_SMALL:-}" ] || limit=$((3 * limit))
  if [ -e "$result" ]; then
    say "$name: already done, $(head -n 1 "$result" | cut -f 2)"
    return 0
  fi
  left=$((deadline - SECONDS))
  if [ "$left" -lt 10 ]; then
    say "$name: no time left"
    return 0
  fi
  rm -f "$results/$name".{title,figure,rows}
  start=$SECONDS
  # In the background, so that a signal to this script ends it.
  timeout -k 5 "$((limit < left ? limit : left))" \
    "$BASH" Tools/gpu-check/steps.sh "$name" >"$log" 2>&1 &
  wait $! || status=$?
  seconds=$((SECONDS - start))
  if { [ "$status" = 124 ] || [ "$status" = 137 ]; } && [ "$left" -lt "$limit" ]; then
    say "$name: stopped by the time limit of the stage after $seconds s"
    return 0
  fi
  case $status in
    0) outcome=passed ;;
    124 | 137) outcome="FAILED: time limit" ;;
    *) outcome=FAILED ;;
  esac
  figure=$(awk 'NR > 1 { printf "; " } { printf "%s", $0 }' "$results/$name.figure" 2>/dev/null)
  if [ "$status" != 0 ]; then
    # The error message, or the last line.
    message=$({ grep -E -m 1 '(^|[ :])error: ' "$log" || tail -n 1 "$log"; } | tr '\t' ' ' | cut -c 1-300)
    figure="$figure${figure:+; }$message"
  fi
  {
    printf '%s\t%s, %s s\t%s\n' "$(cat "$results/$name.title" 2>/dev/null || echo "$name")" \
      "$outcome" "$seconds" "$figure"
    cat "$results/$name.rows" 2>/dev/null
  } >"$result.partial"
  mv "$result.partial" "$result"
  rm -f "$results/$name".{title,figure,rows}
  say "$name: $outcome, $seconds s. $figure"
}

# Removes the results of the steps in the arguments, so that they run again.
forget() {
  local name
  for name; do
    case " ${stage[*]} " in
      *" $name "*) rm -f "$results/$name.tsv" ;;
      *) fail "this stage has no step '$name'; its steps are ${stage[*]}" ;;
    esac
  done
}

finish() {
  local name missing=() failed=()
  for name in "${stage[@]}"; do
    if [ ! -e "$results/$name.tsv" ]; then
      missing+=("$name")
    elif ! head -n 1 "$results/$name.tsv" | cut -f 2 | grep -q '^passed'; then
      failed+=("$name")
    fi
  done
  copy_results
  printf '\n'
  table
  printf '\n'
  [ ${#missing[@]} = 0 ] || say "not done, run this again: ${missing[*]}"
  [ ${#failed[@]} = 0 ] || say "failed (logs in $results): ${failed[*]}"
  say "$SECONDS s"
  [ $((${#missing[@]} + ${#failed[@]})) = 0 ]
}

start() {
  deadline=${GPU_CHECK_SECONDS:-290}
  # shellcheck source=Tools/gpu-check/prepare.sh
  . Tools/gpu-check/prepare.sh
  prepare
  forget "$@"
  trap stop TERM INT
}

# Ends the background steps when this script is stopped.
stop() {
  trap - TERM INT
  # shellcheck disable=SC2046
  kill $(jobs -p) 2>/dev/null
  [ "$BASHPID" != $$ ] || copy_results
  exit 1
}

beside() { # step, seconds: in the background
  (
    trap stop TERM INT
    step "$@"
  ) &
}

one() {
  stage=("${stage_one[@]}")
  start "$@"
  # These two mostly wait for files and for processes to start.
  if [ "$(nproc)" -ge 8 ]; then
    beside tests 240
    local tests=$!
  fi
  beside checkpoint 120
  local checkpoint=$! name
  step doctor 60
  for name in train sample evaluate score resume repeat world repeat-lora; do
    step "$name" 60
    copy_results
  done
  wait "$checkpoint"
  for name in "${stage[@]}"; do
    case $name in
      deviation-* | repeat-width | memory)
        step "$name" 70
        copy_results
        ;;
    esac
  done
  if [ -n "${tests:-}" ]; then wait "$tests"; else step tests 240; fi
  finish
}

two() {
  stage=("${stage_two[@]}")
  start "$@"
  step checkpoint 120
  step iteration 280
  finish
}

three() {
  stage=("${stage_three[@]}")
  start "$@"
  local name
  for name in "${stage[@]}"; do
    step "$name" 100
    copy_results
  done
  finish
}

case ${1:-} in
  pack) exec "$BASH" Tools/gpu-check/pack.sh ;;
  one | two | three) "$@" ;;
  table) table ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
