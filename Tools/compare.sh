#!/usr/bin/env bash
# The paper's ablation on the embedded task, all runs with equal training time:
#   flow-grpo      all steps are SDE steps, with one reward for all of them
#   branching      + trunks and branches: a reward belongs to one SDE step
#   weights        + noise-aware weights
#   tempflow-grpo  + groups of one seed's branches: TempFlow-GRPO
# Writes docs/results/compare.md and compare.svg. Finished runs are kept and stopped runs are resumed,
# so the script can be started again at any time. With the defaults: 33 minutes on two cores.
#
#   SECONDS_PER_RUN  training time of one run without evaluations (300)
#   SEEDS            "1 2 3"
#   JOBS             runs at a time, one thread each (2)
#   RUNS             folder of the runs (runs/compare-300s)
#   OUTPUT           folder of chart and table (docs/results)
#   TEMPFLOW         the command (.build/release/tempflow)
set -euo pipefail
cd "$(dirname "$0")/.."

export SECONDS_PER_RUN=${SECONDS_PER_RUN:-300}
export TEMPFLOW=${TEMPFLOW:-.build/release/tempflow}
seeds=${SEEDS:-1 2 3}
jobs=${JOBS:-2}
output=${OUTPUT:-docs/results}
export runs=${RUNS:-runs/compare-${SECONDS_PER_RUN}s}
methods=(flow-grpo branching weights tempflow-grpo)

# The overrides of each method in Recipes/shapes.yaml. All draw 48 prompts per epoch, each with 16
# images (Flow-GRPO) or 2 trunks of 8 branches per step, so that seed and prompt groups differ.
settings() {
  case $1 in
    flow-grpo) echo sampling.method=flow_grpo advantage.group=prompt loss.weighting=none ;;
    branching) echo sampling.method=tempflow advantage.group=prompt loss.weighting=none ;;
    weights) echo sampling.method=tempflow advantage.group=prompt loss.weighting=noise_aware ;;
    tempflow-grpo) echo sampling.method=tempflow advantage.group=seed loss.weighting=noise_aware ;;
  esac
}

train() {
  local method=$1 seed=$2 name=$1-seed-$2 resume=() set=() setting
  if grep -Eqs '"finished" *: *true' "$runs/$name/summary.json"; then
    echo "$name: already finished, kept"
    return
  fi
  for setting in $(settings "$method") \
    prompts.per_epoch=48 sampling.seeds_per_prompt=2 sampling.branches=8 \
    seed="$seed" threads=1 time_limit="$SECONDS_PER_RUN" epochs=100000 \
    evaluation.every=8 checkpoints.every=8; do
    set+=(--set "$setting")
  done
  if [ -e "$runs/$name/recipe.yaml" ]; then resume=(--resume); fi
  echo "$name: training for $SECONDS_PER_RUN s"
  if ! OMP_NUM_THREADS=1 "$TEMPFLOW" train Recipes/shapes.yaml --run-dir "$runs/$name" \
    "${set[@]}" ${resume[@]+"${resume[@]}"} >"$runs/$name.out" 2>&1; then
    echo "$name: failed; the end of $runs/$name.out:" >&2
    tail -n 5 "$runs/$name.out" >&2
    return 1
  fi
  # A signal ends a run early; it can be resumed.
  grep -Eqs '"finished" *: *true' "$runs/$name/summary.json" || {
    echo "$name: stopped before its end" >&2
    return 1
  }
}
export -f settings train

mkdir -p "$runs" "$output"
for seed in $seeds; do
  for method in "${methods[@]}"; do printf '%s %s\n' "$method" "$seed"; done
done | xargs -P "$jobs" -L 1 bash -c 'train "$@"' train || {
  echo "compare: some runs did not finish; start this script again to continue them" >&2
  exit 1
}

directories=()
for method in "${methods[@]}"; do
  for seed in $seeds; do directories+=("$runs/$method-seed-$seed"); done
done
"$TEMPFLOW" compare "${directories[@]}" --output "$output" \
  --label "flow-grpo=Flow-GRPO" --label "branching=+ branching" \
  --label "weights=+ noise weights" --label "tempflow-grpo=+ seed group (TempFlow-GRPO)" \
  --note "Command: make compare; $SECONDS_PER_RUN s of training per run, $jobs runs at a time, \
one thread each. Tools/compare.sh lists what each method changes in Recipes/shapes.yaml."
