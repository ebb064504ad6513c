# Runs one step of Tools/gpu-check.sh; the exit status is 0 if the step passed.
# shellcheck shell=bash
set -euo pipefail

step=$1
readonly tempflow=$programs/tempflow runs=$work/runs model=$tree/Models/random-sd3.5-medium
readonly prompts=$work/prompts.jsonl

title() { printf '%s' "$1" >"$results/$step.title"; }
figure() { printf '%s\n' "$1" >>"$results/$step.figure"; }
row() { printf '%s\t\t%s\n' "$1" "$2" >>"$results/$step.rows"; }
figures() { "$python" Tools/gpu-check/figures.py "$@"; }
read_figure() { # arguments of figures.py, whose status is returned
  local text status=0
  text=$(figures "$@") || status=$?
  figure "$text"
  return "$status"
}

# A short run of the embedded model: run's folder, then further arguments. An update has several passes, whose gradients
# processes add.
train_shapes() {
  local count=16
  [ -z "${GPU_CHECK_SMALL:-}" ] || count=4
  "$tempflow" train Recipes/shapes.yaml --run-dir "$runs/$1" --set device=cuda --set epochs=2 \
    --set "prompts.per_epoch=$count" --set optimizer.micro_batch=2 --set evaluation.prompts=8 \
    --set evaluation.every=1 --set evaluation.samples=4 --set checkpoints.every=1 "${@:2}"
}

same_files() { # run, run, checkpoint
  local file
  for file in metrics.jsonl "checkpoints/$3/model.safetensors"; do
    cmp "$runs/$1/$file" "$runs/$2/$file"
  done
  figure "metrics.jsonl and weights of $1 and $2 have equal bytes"
}

# A random checkpoint of the step's model, and the depth at which the third stage makes it.
case $step in
  flux-*) family=flux.1-dev-width checkpoint=(flux.1-dev --t5-layers 1) depth=(--layers 2 --single-layers 2) ;;
  qwen-*) family=qwen-image-width checkpoint=(qwen-image --text-layers 1) depth=(--layers 2) ;;
  *) checkpoint=(sd3.5-medium --t5-layers 1) ;;
esac
random_checkpoint() { # folder, further arguments
  rm -rf "$1.partial"
  "$python" Tools/random_checkpoint.py "${checkpoint[@]}" --output "$@"
}
make_checkpoint() { # folder, arguments for a GPU; writes the figure
  if [ ! -e "$1" ]; then
    if [ -n "${GPU_CHECK_SMALL:-}" ]; then
      random_checkpoint "$1" --size tiny
    else
      random_checkpoint "$@" --device cuda
    fi
  fi
  figure "$(figures depth "$1"), $(du -sm "$1" | cut -f 1) MB"
}
readonly family_model=$tree/Models/random-${family:-none}

# An epoch of a family with its blocks recomputed in the backward pass: run's folder, further arguments.
train_family() {
  [ -e "$family_model" ] || {
    echo "error: there is no $family_model"
    exit 1
  }
  rm -rf "${runs:?}/$1"
  "$tempflow" train "$tree/Benchmarks/$family.yaml" --run-dir "$runs/$1" --set device=cuda --set "model=$family_model" \
    --set gradient_checkpointing=true --set loss.clip_range=1 --set epochs=1 --set evaluation.samples=1 "${@:2}"
}

# An epoch of one prompt and one seed at the width of Stable Diffusion 3.5 Medium: run's folder, precision, old
# log-probabilities, further arguments. The wide clip range lets the run continue with large deviations.
train_width() {
  local folder=$model
  if [ ! -e "$folder" ]; then
    folder=$model-8-blocks
    [ -e "$folder" ] || random_checkpoint "$folder" --device cuda --layers 8 --dual-layers 4
  fi
  rm -rf "${runs:?}/$1"
  "$tempflow" train "$tree/Benchmarks/sd3.5-medium-cuda.yaml" --run-dir "$runs/$1" --set "model=$folder" \
    --set "dtype=$2" --set "loss.old_log_prob=$3" --set loss.clip_range=1 --set epochs=1 --set prompts.per_epoch=1 \
    --set sampling.seeds_per_prompt=1 --set optimizer.updates_per_epoch=1 --set evaluation.prompts=1 \
    --set evaluation.samples=1 "${@:4}"
}

case $step in
  doctor)
    title "\`tempflow doctor\` finds the GPU"
    "$tempflow" doctor --model Models/shapes --runs "$work"
    "$tempflow" doctor --model Models/shapes --runs "$work" --json >"$work/doctor.json"
    read_figure doctor "$work/doctor.json"
    ;;
  tests)
    title "tests on the device"
    status=0
    "$programs/TempFlowPackageTests" --testing-library swift-testing --no-parallel --filter 'Device|on the GPU' \
      >"$work/tests.log" 2>&1 || status=$?
    cat "$work/tests.log"
    read_figure tests "$work/tests.log"
    [ "$status" = 0 ]
    ;;
  train)
    title "the embedded model trains for 2 epochs"
    rm -rf "${runs:?}/train"
    train_shapes train
    read_figure run "$runs/train"
    ;;
  sample)
    title "\`tempflow sample\`"
    rm -rf "${work:?}/images"
    "$tempflow" sample --model "$runs/train/model" --prompts "$prompts" --device cuda --steps 8 --output "$work/images"
    figure "$(find "$work/images" -name '*.png' | wc -l) images"
    ;;
  evaluate)
    title "\`tempflow evaluate\`, compared with the CPU"
    for device in cuda cpu; do
      "$tempflow" evaluate --model "$runs/train/model" --prompts Prompts/shapes/held-out.jsonl --limit 32 \
        --reward shapes --steps 8 --device "$device" --json >"$work/evaluate-$device.json"
    done
    read_figure scores "$work"/evaluate-{cuda,cpu}.json 0.05
    ;;
  score)
    title "\`tempflow score\` with a network, compared with the CPU"
    for device in cuda cpu; do
      "$tempflow" score --reward pickscore --reward-model Tests/Fixtures/rewards/clip/quick-gelu \
        --images "$work/images" --prompts "$prompts" --set "device=$device" --json >"$work/score-$device.json"
    done
    read_figure scores "$work"/score-{cuda,cpu}.json 1e-3
    ;;
  resume)
    title "a resumed run equals an uninterrupted one"
    rm -rf "${runs:?}/resume"
    train_shapes resume --set epochs=1
    train_shapes resume --resume
    same_files train resume 000002
    ;;
  repeat)
    title "two equal runs, all weights, float32"
    rm -rf "${runs:?}/repeat"
    train_shapes repeat
    same_files train repeat 000002
    ;;
  world)
    title "a world of one over NCCL equals the run alone"
    rm -rf "${runs:?}/world" "$work"/nccl.log
    port=$("$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    status=0
    # As a launcher starts a process; NCCL's log says whether it was used.
    RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port \
      NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,COLL NCCL_DEBUG_FILE="$work/nccl.log" train_shapes world \
      2>"$work/world.errors" || status=$?
    cat "$work/world.errors" >&2
    # A simulated device has no NCCL.
    refusal=$(grep -o -m 1 'processes cannot use NCCL: [^;]*' "$work/world.errors") || refusal=
    if [ -n "${GPU_CHECK_SMALL:-}" ] && [ -n "$refusal" ]; then
      figure "not run, as the command says: $refusal"
      exit 0
    fi
    [ "$status" = 0 ]
    read_figure world "$runs/train" "$runs/world" "$work/nccl.log"
    ;;
  repeat-lora)
    title "two equal runs, LoRA with KL, bfloat16"
    for run in first second; do
      rm -rf "${runs:?}/$run"
      train_shapes "$run" --set trainable=lora --set dtype=bfloat16 --set loss.kl_beta=0.01
    done
    same_files first second 000002
    ;;
  checkpoint)
    title "a random Stable Diffusion 3.5 Medium"
    make_checkpoint "$model"
    ;;
  deviation-*)
    IFS=- read -r _ dtype where <<<"$step"
    title "log-probabilities of rollout and update, $dtype, $where"
    train_width "$step" "$dtype" "$where"
    read_figure deviation "$runs/$step"
    ;;
  repeat-width)
    title "two equal runs at that width, bfloat16"
    train_width "$step" bfloat16 recomputed
    same_files deviation-bfloat16-recomputed "$step" 000001
    ;;
  memory)
    title "planned memory and measured, 31 images decoded at once"
    train_width "$step" bfloat16 rollout --set sampling.decode_micro_batch=31
    "$tempflow" plan "$runs/$step/recipe.yaml" --json >"$work/plan.json"
    read_figure memory "$work/plan.json" "$runs/$step"
    ;;
  iteration)
    title "an iteration of sd3.5-medium-cuda compared with the tuned Python program"
    [ -e "$model" ] || {
      echo "error: there is no $model"
      exit 1
    }
    options=()
    [ -z "${GPU_CHECK_SMALL:-}" ] || options=(--peer-device cpu)
    status=0
    "$python" "$tree/Benchmarks/bench.py" --recipes sd3.5-medium-cuda --programs tuned --rounds 1 --epochs 1 \
      --no-compile --limit 200 --tempflow "$tempflow" --keep "$results/bench" --json "$results/bench/all.json" \
      --output "$results/bench" "${options[@]}" || status=$?
    figures bench "$results/bench" >"$work/bench.tsv" || status=1
    while IFS=$'\t' read -r check text; do
      if [ -n "$text" ]; then row "$check" "$text"; else figure "$check"; fi
    done <"$work/bench.tsv"
    [ "$status" = 0 ]
    ;;
  flux-checkpoint | qwen-checkpoint)
    title "a random checkpoint at the width of ${checkpoint[0]}"
    make_checkpoint "$family_model" "${depth[@]}" --tiny-autoencoder
    ;;
  flux-bfloat16 | qwen-bfloat16)
    title "log-probabilities of rollout and update, ${checkpoint[0]}, bfloat16"
    train_family "$step"
    read_figure deviation "$runs/$step"
    ;;
  flux-repeat | qwen-repeat)
    title "two equal runs, ${checkpoint[0]}, bfloat16"
    train_family "$step"
    same_files "${step%-*}-bfloat16" "$step" 000001
    ;;
  flux-offload | qwen-offload)
    title "blocks on the host and resident ones, ${checkpoint[0]}, bfloat16"
    train_family "$step" --set offload=blocks
    same_files "${step%-*}-bfloat16" "$step" 000001
    ;;
  flux-int8 | qwen-int8)
    title "frozen weights in 8 bits on the host, ${checkpoint[0]}"
    train_family "$step" --set offload=blocks --set quantize_base=int8
    read_figure deviation "$runs/$step"
    ;;
  *)
    echo "error: there is no step '$step'"
    exit 1
    ;;
esac
