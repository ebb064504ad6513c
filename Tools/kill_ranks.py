"""Kills random processes of launched runs and compares the runs with an undisturbed one.

    python3 Tools/kill_ranks.py .build/release/tempflow Recipes/shapes.yaml --kills 50 \\
        --set epochs=12 --set evaluation.prompts=40 --set checkpoints.every=1 --set threads=1

The recipe is trained by one process. Then `tempflow launch --max-restarts` trains it by several and
one of them, chosen at random, is killed at a random time, again and again; a run that ends before
the last kill is compared, and the next one begins. The files of every run, without times, must
equal the undisturbed one's byte for byte. The status is 1 where they do not. Linux only.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

VARYING = {
    "timings.jsonl", "log.txt", "summary.json", "lock", "state.json", "manifest.json",
}


def files(run):
    found = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run)
        if path.is_file() and path.name not in VARYING and name.parts[0] != "ranks":
            found[str(name)] = path.read_bytes()
    return found


def differences(run, other):
    one, two = files(run), files(other)
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


def ranks(launcher):
    """Rank -> process number of the launcher's present processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent != launcher:
                continue
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        for variable in variables:
            if variable.startswith(b"RANK="):
                found[int(variable[5:])] = int(entry.name)
    return found


def kill_one(processes):
    """Kills a random rank; its number, or None where it has just ended."""
    rank = random.choice(sorted(processes))
    try:
        os.kill(processes[rank], signal.SIGKILL)
    except ProcessLookupError:
        return None
    return rank


def disturbed(options, run, kills, seconds):
    """Trains with kills until the run ends.

    A kill follows at most `seconds` after all ranks have been started. Returns the number of kills.
    """
    command = [
        options.tempflow, "launch", "-n", str(options.processes), "--max-restarts", str(kills),
        "--timeout", "3", "--", "train", options.recipe, "--run-dir", str(run), "--timeout", "60",
    ] + options.settings
    done, killed = 0, set()
    with open(f"{run}.log", "w") as log:
        launcher = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while done < kills and launcher.poll() is None:
                processes = ranks(launcher.pid)
                if len(processes) < options.processes or killed & set(processes.values()):
                    time.sleep(0.02)
                    continue
                pause = random.uniform(0, seconds)
                try:
                    launcher.wait(pause)
                except subprocess.TimeoutExpired:
                    rank = kill_one(processes)
                    if rank is not None:
                        killed = set(processes.values())
                        done += 1
                        text = f"kill {done}, rank {rank} after {pause:.1f} s"
                        print(f"{run.name}: {text}", flush=True)
            launcher.wait()
        finally:
            if launcher.poll() is None:
                launcher.kill()
                launcher.wait()
    if launcher.returncode != 0:
        sys.exit(f"{run} ended with status {launcher.returncode}; see {run}.log")
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tempflow")
    parser.add_argument("recipe")
    parser.add_argument("--directory", default="runs/kill-ranks", help="of all runs; a new one")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument(
        "--longest-pause", type=float, metavar="SECONDS",
        help="from a start to a kill (default: the time of the undisturbed run)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of ranks and times")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    options = parser.parse_args()
    options.settings = [word for change in options.changes for word in ("--set", change)]
    directory = Path(options.directory)
    directory.mkdir(parents=True)
    random.seed(options.seed)
    print(f"seed {options.seed}")
    whole = directory / "whole"
    start = time.monotonic()
    subprocess.run(
        [options.tempflow, "train", options.recipe, "--run-dir", str(whole)] + options.settings,
        check=True, stdout=subprocess.DEVNULL)
    seconds = options.longest_pause or time.monotonic() - start
    kills, number, failed = 0, 0, False
    while kills < options.kills:
        number += 1
        run = directory / f"killed-{number}"
        done = disturbed(options, run, options.kills - kills, seconds)
        kills += done
        different = differences(whole, run)
        failed = failed or bool(different)
        text = "equal" if not different else "different: " + ", ".join(different)
        print(f"{run.name} with {done} kills: {text}", flush=True)
        if not different:
            shutil.rmtree(run)
    print(f"{kills} kills, {number} runs, " + ("not all equal" if failed else "all equal"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
