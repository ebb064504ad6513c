"""Measures what training in two processes gains: Python's standard library alone.

    python3 Tools/two_processes.py Recipes/shapes.yaml --set optimizer.micro_batch=48 --set epochs=6

Each round runs one process alone, two processes that share nothing (two runs at the same time), and two processes that
train together, one thread each and each on a core of its own, in turns. The figures are seconds of an epoch from
timings.jsonl, without the first. The efficiency is the gain of training together over the gain of sharing nothing.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / ".build/release/tempflow"
CORES = sorted(os.sched_getaffinity(0))


def seconds(folder):
    """The mean seconds of an epoch of a run, without the first."""
    lines = [json.loads(line) for line in open(folder / "timings.jsonl")]
    epochs = [line["epoch_seconds"] for line in lines if line["kind"] == "epoch"]
    return statistics.mean(epochs[1:])


def command(options, folder, extra=()):
    settings = [f"--set={setting}" for setting in [*options.set, "threads=1", *extra]]
    return [PROGRAM, "train", options.recipe, "--run-dir", folder, *settings]


def finish(runs):
    for run in runs:
        output = run.communicate()[0]
        if run.returncode != 0:
            raise SystemExit(f"a run failed:\n{output}")


def start(words, core, variables=None):
    """Starts a process, with a core of its own unless that is None."""
    bound = [] if core is None else ["taskset", "-c", str(core)]
    return subprocess.Popen(
        [*bound, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **(variables or {})})


def core(options, rank):
    """The core of a process; without one of its own, other threads of a process may run beside its neighbor's."""
    return None if options.unbound else CORES[rank % len(CORES)]


def apart(options, base, name, count):
    """Seconds of an epoch of `count` runs at the same time that share nothing."""
    folders = [base / f"{name}-{index}" for index in range(count)]
    finish([start(command(options, folder), core(options, index)) for index, folder in enumerate(folders)])
    return statistics.mean(seconds(folder) for folder in folders)


def together(options, base, name):
    """Seconds of an epoch of a run in two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = base / name
    finish([
        start(command(options, folder, options.together), core(options, rank), {
            "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
        for rank in range(2)
    ])
    return seconds(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], help="a setting of every run")
    parser.add_argument("--together", action="append", default=[], help="a setting of the run in two processes alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--unbound", action="store_true", help="leave the cores of processes to the scheduler")
    options = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="two-processes-"))
    ratios = []
    print("| round | alone, s | two apart, s each | two together, s | gain apart | gain together | efficiency |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    try:
        for index in range(options.rounds):
            alone = apart(options, base, f"alone-{index}", 1)
            two = apart(options, base, f"apart-{index}", 2)
            joint = together(options, base, f"together-{index}")
            gains = 2 * alone / two, alone / joint
            ratios.append(gains[1] / gains[0])
            print(f"| {index + 1} | {alone:.3f} | {two:.3f} | {joint:.3f} | {gains[0]:.2f} | {gains[1]:.2f} | "
                  f"{ratios[-1]:.3f} |", flush=True)
    finally:
        shutil.rmtree(base)
    print(f"\nmedian efficiency {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
