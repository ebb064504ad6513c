"""Times one iteration of training: tempflow beside the Python peer in both forms.

    python Benchmarks/bench.py
    python Benchmarks/bench.py --recipes embedded --rounds 1 --epochs 1
    python Benchmarks/bench.py --recipes sd3.5-medium-cuda --programs tuned published
    python Benchmarks/bench.py --recipes flux.1-dev-width flux.1-dev-width-flow-grpo
    python Benchmarks/bench.py --recipes qwen-image-width qwen-image-width-flow-grpo
    python Benchmarks/bench.py --from speed.json

Every program is a process of its own, which runs one epoch to warm up and then those that count.
The programs take turns, in another order in each round. Prints the tables, and writes them into
docs/results/speed.md, speed-cuda.md for the cases of a CUDA device, speed-flux.md or
speed-qwen-image.md for those of FLUX and Qwen-Image, and a chart beside it. --from takes the
numbers of an earlier run's --json.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import report

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent


@dataclass(frozen=True)
class Program:
    """One column of a table."""

    name: str
    # Of the peer; None is tempflow.
    arguments: tuple[str, ...] | None = None
    # Programs that only complete the picture run once.
    every_round: bool = True


@dataclass(frozen=True)
class Case:
    """A recipe and who runs it."""

    recipe: str
    title: str
    # Measured in one process.
    epochs: int
    programs: tuple[Program, ...]
    # Arguments of Tools/random_checkpoint.py, the last of them the model's folder; none if that is
    # part of the repository.
    checkpoint: tuple[str, ...] = ()
    on_cuda: bool = False
    # Where the table stands, in docs/results.
    page: str = "speed"
    # Left out of a run that names no recipes.
    on_request: bool = False

    def prepare(self):
        """Makes the model's folder, once."""
        if self.checkpoint and not (ROOT / self.checkpoint[-1]).exists():
            command = [sys.executable, "Tools/random_checkpoint.py", *self.checkpoint]
            subprocess.run(command, cwd=ROOT, check=True)


def _programs(tuned=(), others=(), counts_zero_rows=False, has_branches=True):
    """`tuned`, `others`: the micro-batches that are best for them; the recipe's are tempflow's.
    Without branches the two forms are one."""
    tuned = ("--form", "tuned", *tuned)
    published = ("--form", "published", *others)
    programs = [Program("tempflow"), Program("tuned", tuned)]
    if has_branches:
        programs.append(Program("published", published))
    if counts_zero_rows:
        programs.append(
            Program("tuned, zero rows counted", ("--form", "tuned", *others, "--count-zero-rows")))
    programs.append(Program("tuned, compiled", (*tuned, "--compile"), every_round=False))
    if has_branches:
        programs.append(
            Program("published, compiled", (*published, "--compile"), every_round=False))
    return tuple(programs)


_FLUX_WIDTH = (
    "flux.1-dev", "--layers", "2", "--single-layers", "2", "--t5-layers", "1",
    "--tiny-autoencoder", "--output", "Models/random-flux.1-dev-width")
_QWEN_IMAGE_WIDTH = (
    "qwen-image", "--layers", "2", "--text-layers", "1", "--tiny-autoencoder", "--output",
    "Models/random-qwen-image-width")
CASES = (
    Case(
        "embedded", "Embedded model, float32, all weights", 3,
        _programs(("--micro-batch", "32"), ("--micro-batch", "64"), counts_zero_rows=True)),
    Case(
        "sd3.5-medium-width", "Stable Diffusion 3.5 Medium's width, two blocks, bfloat16, LoRA", 1,
        _programs(),
        ("sd3.5-medium", "--layers", "2", "--dual-layers", "1", "--t5-layers", "1",
         "--tiny-autoencoder", "--output", "Models/random-sd3.5-medium-width")),
    Case(
        "sd3.5-medium-cuda", "Stable Diffusion 3.5 Medium on a GPU, bfloat16, LoRA", 1,
        _programs(),
        ("sd3.5-medium", "--t5-layers", "1", "--output", "Models/random-sd3.5-medium"),
        on_cuda=True, page="speed-cuda"),
    Case(
        "flux.1-dev-width", "FLUX.1-dev's width, four blocks, bfloat16, LoRA", 1,
        _programs(), _FLUX_WIDTH, page="speed-flux", on_request=True),
    Case(
        "flux.1-dev-width-flow-grpo", "The same with Flow-GRPO", 1,
        _programs(has_branches=False), _FLUX_WIDTH, page="speed-flux", on_request=True),
    Case(
        "qwen-image-width", "Qwen-Image's width, two blocks, bfloat16, LoRA", 1,
        _programs(), _QWEN_IMAGE_WIDTH, page="speed-qwen-image", on_request=True),
    Case(
        "qwen-image-width-flow-grpo", "The same with Flow-GRPO", 1,
        _programs(has_branches=False), _QWEN_IMAGE_WIDTH, page="speed-qwen-image",
        on_request=True),
)


class Failure(Exception):
    """What a program said when it failed."""


def run(case, program, turn, options):
    """One process; returns the JSON object that it prints, or the one that is kept of it."""
    kept = None
    if options.keep:
        name = f"{case.recipe}-{program.name}-{turn + 1}".replace(", ", "-").replace(" ", "-")
        kept = options.keep / f"{name}.json"
        if kept.exists():
            return json.loads(kept.read_text())
    recipe = FOLDER / f"{case.recipe}.yaml"
    epochs = ["--epochs", str(options.epochs or case.epochs)]
    if program.arguments is None:
        command = [options.tempflow, "bench", recipe, "--json", *epochs]
    else:
        command = [sys.executable, FOLDER / "peer", recipe, *program.arguments, *epochs]
        if options.peer_device:
            command += ["--device", options.peer_device]
    process = subprocess.Popen(
        [*shlex.split(options.prefix), *map(str, command)], text=True, process_group=0,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=options.limit)
    except subprocess.TimeoutExpired:
        raise Failure(f"not done after {options.limit:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        sys.stderr.write(errors)
        raise Failure((errors.strip().splitlines() or [f"ended with {process.returncode}"])[-1])
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(output)
    return json.loads(output)


def check(case, program, result, reference, options):
    """Programs that are compared must do the same work."""
    for key in ("evaluations_per_epoch", "images_per_epoch", "threads", "gemm_dtype", "device"):
        if key == "device" and options.peer_device:
            continue
        if result[key] != reference[key]:
            sys.exit(
                f"{case.recipe}: {program.name} has {key} {result[key]}, tempflow "
                f"{reference[key]}; they do not run the same plan")


def measure(case, options):
    """All rounds of a case: {program: {"rounds": [...], or "error": ...}}, and the work."""
    programs = [
        p for p in case.programs
        if (options.compile or "--compile" not in (p.arguments or ()))
        and (not options.programs or p.name in ("tempflow", *options.programs))]
    results = {program.name: {"rounds": []} for program in programs}
    for turn in range(options.rounds):
        present = [p for p in programs if p.every_round or turn == 0]
        shift = turn % len(present)
        for program in present[shift:] + present[:shift]:
            try:
                result = run(case, program, turn, options)
            except Failure as failure:
                if program.every_round:
                    sys.exit(f"{case.recipe}: {program.name}: {failure}")
                results[program.name]["error"] = str(failure)
                continue
            results[program.name]["rounds"].append(result)
            check(case, program, result, results["tempflow"]["rounds"][0], options)
            seconds = ", ".join(f"{epoch['all']:.2f}" for epoch in result["epochs"])
            print(f"{case.recipe}, round {turn + 1}, {program.name}: {seconds} s", file=sys.stderr)
    return {
        "title": case.title, "recipe": case.recipe, "page": case.page, "programs": results,
        "work": work(case),
    }


def work(case):
    """The operations that the case's iteration needs, one count for all programs."""
    sys.path.insert(0, str(FOLDER / "peer"))
    import flops
    import recipe

    return flops.iteration(recipe.read(FOLDER / f"{case.recipe}.yaml"))


def has_cuda():
    """Whether PyTorch finds a CUDA device."""
    import torch

    return torch.cuda.is_available()


def gpu():
    """The CUDA device and its driver."""
    fields = "--query-gpu=name,driver_version"
    command = ["nvidia-smi", "--id=0", fields, "--format=csv,noheader"]
    try:
        found = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError):
        return "a CUDA device that nvidia-smi does not show"
    return ", driver ".join(found.strip().split(", "))


def machine():
    """The processor, memory and system."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((l.split(":")[1].strip() for l in lines if "model name" in l), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    release = Path("/etc/os-release")
    system = platform.system()
    if release.exists():
        fields = dict(l.split("=", 1) for l in release.read_text().splitlines() if "=" in l)
        system = fields.get("PRETTY_NAME", system).strip('"')
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {system}"


def choose(names, peer_device):
    """The cases of these recipes; without names, all that can run here but those on request."""
    chosen = [
        case for case in CASES if (case.recipe in names if names else not case.on_request)]
    on_cuda = [case for case in chosen if case.on_cuda]
    if not on_cuda or peer_device or has_cuda():
        return chosen
    if names:
        sys.exit(f"{on_cuda[0].recipe} runs on a CUDA device, and PyTorch finds none")
    return [case for case in chosen if not case.on_cuda]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [case.recipe for case in CASES]
    parser.add_argument(
        "--recipes", nargs="+", choices=names, metavar="NAME",
        help="(all that run here, without FLUX and Qwen-Image)")
    programs = {program.name for case in CASES for program in case.programs}
    parser.add_argument(
        "--programs", nargs="+", choices=sorted(programs), metavar="NAME",
        help="these alone, and tempflow (all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="measured in one process (the case's own)")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--limit", type=float, default=900, help="seconds of one process (900)")
    parser.add_argument("--tempflow", type=Path, default=ROOT / ".build/release/tempflow")
    parser.add_argument("--prefix", default="", help="a command that runs each program, as taskset")
    parser.add_argument(
        "--peer-device", choices=["cpu", "cuda"],
        help="the Python programs' device instead of the recipe's, to try the rest without a GPU")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER",
        help="keep what each process printed, and run none whose result is there")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--from", dest="source", type=Path, help="numbers of an earlier run")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results", help="folder")
    options = parser.parse_args()
    # Ends the program that is being measured, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    if options.source:
        found = json.loads(options.source.read_text())
    else:
        chosen = choose(options.recipes, options.peer_device)
        for case in chosen:
            case.prepare()
        found = {
            "command": shlex.join(["python", "Benchmarks/bench.py", *sys.argv[1:]]),
            "machine": machine(), "date": datetime.date.today().isoformat(),
        }
        if any(case.on_cuda for case in chosen):
            found["gpu"] = gpu()
        found["cases"] = [measure(case, options) for case in chosen]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    for page, part in report.pages(found).items():
        print(report.tables(part))
        report.write(part, options.output, page)


if __name__ == "__main__":
    main()
