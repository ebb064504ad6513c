"""Reads the output of the steps of gpu-check and prints the figure of each for the table.

    figures.py doctor FILE      tests FILE      run FOLDER      deviation FOLDER
    figures.py scores FILE FILE LIMIT           depth FOLDER    bench FOLDER
    figures.py world FOLDER FOLDER FILE         memory FILE FOLDER

The exit status is 1 if the figure shows a failure.
"""

import json
import re
import sys
from pathlib import Path


def lines(run, kind):
    """The lines of one kind in a run's metrics."""
    text = (Path(run) / "metrics.jsonl").read_text()
    return [line for line in map(json.loads, text.splitlines()) if line["kind"] == kind]


def doctor(path):
    findings = {f["subject"]: f for f in json.loads(Path(path).read_text())["findings"]}
    print(findings["CUDA"]["detail"])
    print(f"NCCL: {findings['NCCL']['detail']}")
    return findings["CUDA"]["level"] == "good"


def tests(path):
    """The last line of the test program, and the failed tests."""
    text = Path(path).read_text(errors="replace")
    ended = re.findall(r"Test run with .*", text)
    skipped = re.findall(r'➜.*skipped: "(.*)"', text)
    failed = re.findall(r'✘ Test "?(.*?)"? (?:with .*)?failed after', text)
    print(ended[-1] if ended else "the test program did not reach its end")
    if failed:
        print(f"failed: {', '.join(failed)}")
    for reason in sorted(set(skipped)):
        print(f"{skipped.count(reason)} skipped: {reason}")
    # Without a device all tests are skipped, and the run passes.
    return bool(ended) and not any("needs a CUDA device" in reason for reason in skipped)


def run(folder):
    rewards = [f"{line['reward_mean']:.3f}" for line in lines(folder, "epoch")]
    norms = [f"{line['grad_norm']:.2g}" for line in lines(folder, "epoch")]
    summary = json.loads((Path(folder) / "summary.json").read_text())
    print(
        f"rewards {', '.join(rewards)}, gradient norms {', '.join(norms)}, "
        f"peak {max(summary['peak_memory'].values()) / 1e9:.2f} GB")
    return summary["finished"]


def world(alone, joined, nccl_log):
    """A run alone beside one that joined a world of one, whose log of NCCL is a file."""
    # The sum over one process is the process's own.
    weights = [(Path(run) / "checkpoints/000002/model.safetensors").read_bytes() for run in (alone, joined)]
    is_equal = weights[0] == weights[1]
    keys = ("reward_mean", "grad_norm")
    found = [[[line[key] for key in keys] for line in lines(run, "epoch")] for run in (alone, joined)]
    for name, values in zip(("alone", "world of one"), found):
        text = "; ".join(f"reward {reward:.6f}, gradient norm {norm:.6g}" for reward, norm in values)
        print(f"{name}: {text}")
    seconds = [
        json.loads((Path(run) / "summary.json").read_text())["phase_seconds"]["learning"]
        for run in (alone, joined)]
    print(f"learning {seconds[0]:.2f} s and {seconds[1]:.2f} s")
    print(f"weights have {'equal' if is_equal else 'DIFFERENT'} bytes")
    log = Path(nccl_log).read_text(errors="replace") if Path(nccl_log).exists() else ""
    version = re.search(r"NCCL version (\S+)", log)
    # One of the connection, the others of gradients.
    count = len(re.findall(r"opCount", log))
    is_used = re.search(r"nranks 1 .*Init COMPLETE", log) is not None and count > 1
    found = f"NCCL {version[1] if version else 'of unknown version'}, {count} collectives"
    print(found if is_used else "NCCL was NOT used")
    return is_equal and found[0] == found[1] and is_used


def _mean(path):
    scores = json.loads(Path(path).read_text())["scores"]
    return scores["overall"]["mean"]


def scores(on_gpu, on_cpu, limit):
    gpu, cpu = _mean(on_gpu), _mean(on_cpu)
    print(f"{gpu:.5f} on the GPU, {cpu:.5f} on the CPU")
    return abs(gpu - cpu) <= float(limit) * max(1, abs(cpu))


def depth(model):
    config = json.loads((Path(model) / "transformer/config.json").read_text())
    width = config["num_attention_heads"] * config["attention_head_dim"]
    print(f"{config['num_layers']} blocks of width {width}")
    return True


def deviation(folder):
    """The deviation of the first update's log-probabilities from the rollout's; whether it is below a run's limit."""
    epoch = lines(folder, "epoch")[0]
    found = epoch["log_prob_deviation_per_step"]
    steps = {int(step): value for step, value in found.items()}
    values = " ".join(f"{steps[step]:.1e}" for step in sorted(steps))
    recipe = (Path(folder) / "recipe.yaml").read_text()
    model = re.search(r"^model: *['\"]?([^'\"\n]*)", recipe, re.MULTILINE)[1]
    depth(model)
    print(f"by step from {min(steps)}: {values}")
    summary = json.loads((Path(folder) / "summary.json").read_text())
    seconds = summary["phase_seconds"]
    print(
        f"largest {max(steps.values()):.1e}, gradient norm {epoch['grad_norm']:.2g}, "
        f"rollout {seconds['rollout']:.1f} s, learning {seconds['learning']:.1f} s, "
        f"peak {max(summary['peak_memory'].values()) / 1e9:.1f} GB")
    # What ends a run with recomputed log-probabilities and a clip range of 1e-4 or more.
    return all(value <= 3e-3 for value in steps.values())


def memory(plan, folder):
    """Bytes by phase of a run beside its plan; whether the plan has 95 % of each, or lacks less than 100 MB."""
    phases = json.loads(Path(plan).read_text())["memory"]["phases"]
    measured = json.loads((Path(folder) / "summary.json").read_text())["peak_memory"]
    # The program's own memory is none of libtorch's allocator.
    planned = {
        phase: sum(size for item, size in items.items() if item != "process") for phase, items in phases.items()}
    both = {phase: (size, measured[phase]) for phase, size in planned.items() if phase in measured}
    for phase, (size, found) in both.items():
        print(f"{phase}: planned {size / 1e9:.2f} GB, measured {found / 1e9:.2f} GB")
    return bool(both) and all(size >= 0.95 * found - 1e8 for size, found in both.values())


def bench(folder):
    """The figure, and rows of the table (with a tab), for the programs that finished."""
    names = ("rollout", "decode", "reward", "training", "optimizer", "all")
    measured = {}
    for path in Path(folder).glob("sd3.5-medium-cuda-*-1.json"):
        name = path.stem.removeprefix("sd3.5-medium-cuda-").removesuffix("-1")
        measured[name] = json.loads(path.read_text())
    for name, result in sorted(measured.items(), key=lambda item: item[0] != "tempflow"):
        seconds = result["epochs"][-1]
        phases = ", ".join(f"{phase} {seconds[phase]:.3g}" for phase in names)
        rate = result["gemm_flops_per_second"] / 1e12
        print(
            f"{name}, seconds per phase\t{phases}; "
            f"peak {result['peak_memory_bytes'] / 1e9:.2f} GB; "
            f"matrix product of {result['gemm_side']}^3 {rate:.3g} TFLOP/s")
    if len(measured) < 2:
        return False
    ours, theirs = (measured[name]["epochs"][-1] for name in ("tempflow", "tuned"))
    compared = ("all", "rollout", "training")
    ratios = [f"{phase} {theirs[phase] / ours[phase]:.2f}" for phase in compared]
    change = measured["tuned"]["found"][-1]["log_probability_deviation"]
    print(f"times tempflow's seconds: {', '.join(ratios)}")
    print(f"the Python program's log-probabilities differ by {change:.1e} from rollout to update")
    return True


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    functions = {
        f.__name__: f for f in (doctor, tests, run, world, scores, depth, deviation, memory, bench)}
    sys.exit(not functions[command](*arguments))
