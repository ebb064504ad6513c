"""Times one iteration of TempFlow-GRPO: tempflow beside the Python peer in both forms.

    python Benchmarks/bench.py
    python Benchmarks/bench.py --recipes embedded --rounds 1 --epochs 1
    python Benchmarks/bench.py --from speed.json

Every program is a process of its own, which runs one epoch to warm up and then those that count.
The programs take turns, in another order in each round. Prints the tables, and writes them into
docs/results/speed.md and the chart beside it. --from takes the numbers of an earlier run's --json.
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
    # Makes the model's folder, if that is not part of the repository.
    checkpoint: tuple[str, ...] = ()


def _programs(tuned, counts_zero_rows):
    """`tuned`: the micro-batches that are best for that form."""
    tuned = ("--form", "tuned", *tuned)
    programs = [Program("tempflow"), Program("tuned", tuned),
                Program("published", ("--form", "published"))]
    if counts_zero_rows:
        programs.append(
            Program("tuned, zero rows counted", ("--form", "tuned", "--count-zero-rows")))
    programs += [
        Program("tuned, compiled", (*tuned, "--compile"), every_round=False),
        Program("published, compiled", ("--form", "published", "--compile"), every_round=False),
    ]
    return tuple(programs)


WIDE = "Models/random-sd3.5-medium-width"
CASES = (
    Case(
        "embedded", "Embedded model, float32, all weights", 3,
        _programs(("--micro-batch", "32"), counts_zero_rows=True)),
    Case(
        "sd3.5-medium-width", "Stable Diffusion 3.5 Medium's width, two blocks, bfloat16, LoRA", 1,
        _programs((), counts_zero_rows=False),
        ("Tools/random_checkpoint.py", "sd3.5-medium", "--layers", "2", "--dual-layers", "1",
         "--t5-layers", "1", "--tiny-autoencoder", "--output", WIDE)),
)


class Failure(Exception):
    """What a program said when it failed."""


def run(case, program, options):
    """One process; returns the JSON object that it prints."""
    recipe = FOLDER / f"{case.recipe}.yaml"
    epochs = ["--epochs", str(options.epochs or case.epochs)]
    if program.arguments is None:
        command = [options.tempflow, "bench", recipe, "--json", *epochs]
    else:
        command = [sys.executable, FOLDER / "peer", recipe, *program.arguments, *epochs]
    process = subprocess.Popen(
        [*shlex.split(options.prefix), *map(str, command)], text=True, process_group=0,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=options.limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()
        raise Failure(f"not done after {options.limit:.0f} s") from None
    if process.returncode:
        raise Failure((errors.strip().splitlines() or [f"ended with {process.returncode}"])[-1])
    return json.loads(output)


def check(case, program, result, reference):
    """Programs that are compared must do the same work."""
    for key in ("evaluations_per_epoch", "images_per_epoch", "threads", "gemm_dtype"):
        if result[key] != reference[key]:
            sys.exit(
                f"{case.recipe}: {program.name} has {key} {result[key]}, tempflow "
                f"{reference[key]}; they do not run the same plan")


def measure(case, options):
    """All rounds of a case: {program: {"rounds": [...], or "error": ...}}, and the work."""
    programs = [
        p for p in case.programs if options.compile or "--compile" not in (p.arguments or ())]
    results = {program.name: {"rounds": []} for program in programs}
    for turn in range(options.rounds):
        present = [p for p in programs if p.every_round or turn == 0]
        shift = turn % len(present)
        for program in present[shift:] + present[:shift]:
            try:
                result = run(case, program, options)
            except Failure as failure:
                if program.every_round:
                    sys.exit(f"{case.recipe}: {program.name}: {failure}")
                results[program.name]["error"] = str(failure)
                continue
            results[program.name]["rounds"].append(result)
            seconds = ", ".join(f"{epoch['all']:.2f}" for epoch in result["epochs"])
            print(f"{case.recipe}, round {turn + 1}, {program.name}: {seconds} s", file=sys.stderr)
    reference = results["tempflow"]["rounds"][0]
    for program in programs:
        for result in results[program.name]["rounds"]:
            check(case, program, result, reference)
    return {"title": case.title, "recipe": case.recipe, "programs": results, "work": work(case)}


def work(case):
    """The operations that the case's iteration needs, one count for all programs."""
    sys.path.insert(0, str(FOLDER / "peer"))
    import flops
    import recipe

    return flops.iteration(recipe.read(FOLDER / f"{case.recipe}.yaml"))


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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [case.recipe for case in CASES]
    parser.add_argument("--recipes", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="measured in one process (the case's own)")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--limit", type=float, default=900, help="seconds of one process (900)")
    parser.add_argument("--tempflow", type=Path, default=ROOT / ".build/release/tempflow")
    parser.add_argument("--prefix", default="", help="a command that runs each program, as taskset")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--from", dest="source", type=Path, help="numbers of an earlier run")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results", help="folder")
    options = parser.parse_args()
    if options.source:
        found = json.loads(options.source.read_text())
    else:
        found = {
            "command": shlex.join(["python", "Benchmarks/bench.py", *sys.argv[1:]]),
            "machine": machine(), "date": datetime.date.today().isoformat(),
        }
        chosen = [case for case in CASES if case.recipe in options.recipes]
        for case in chosen:
            if case.checkpoint and not (ROOT / WIDE).exists():
                subprocess.run([sys.executable, *case.checkpoint], cwd=ROOT, check=True)
        found["cases"] = [measure(case, options) for case in chosen]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report.tables(found))
    report.write(found, options.output)


if __name__ == "__main__":
    main()
