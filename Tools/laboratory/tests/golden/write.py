"""Writes the golden record and its pages anew, from the repository's root:

    python3 Tools/laboratory/tests/golden/write.py
"""

import argparse
import random
import sys
from pathlib import Path

FOLDER = Path("Tools/laboratory/tests/golden")
sys.path.insert(0, "Tools/laboratory")

import command  # noqa: E402
from methods import read  # noqa: E402
from plan import Plan, Run  # noqa: E402
from records import Record  # noqa: E402

GAIN = {"plain": 0.05, "branched": 0.16, "both": 0.17}


def line(run: Run, task: str, generator: random.Random) -> dict:
    """The line of a run that was never made, with plausible figures."""
    gain = GAIN[run.method.name] * (0.6 if run.setting == 0 else 1) + generator.gauss(0, 0.01)
    ended = "the policy loss is not finite" if run.setting == 2 and run.method.name == "both" else None
    times = [0.0, run.seconds / 3, run.seconds / 2, run.seconds + generator.random() * 4]
    rate = {"plain": 30, "branched": 40, "both": 20}[run.method.name]
    curve = {
        "epoch": [0, 10, 20, 30], "seconds": [round(time, 3) for time in times],
        "nfe": [round(time * rate * 10) for time in times], "images": [round(time * rate) for time in times],
        "mean": [round(0.38 + gain * (time / 300) ** 0.5, 3) for time in times], "error": [0.02] * 4,
        "training_reward": [round(0.6 + 2 * gain * time / 300, 3) for time in times],
    }
    return {
        "key": run.key, "task": task, "stage": run.stage, "method": run.method.name,
        "setting": run.method.grid.values(run.setting), "seed": run.seed, "seconds": run.seconds,
        "overrides": run.arguments, "epochs": 30, "updates": 3 * rate, "training_seconds": curve["seconds"][-1],
        "nfe": curve["nfe"][-1], "images": curve["images"][-1],
        "alarm_epoch": 20 if task != "golden" and run.seed == 1 else None,
        "before": {"mean": curve["mean"][0], "error": 0.02}, "after": {"mean": curve["mean"][-1], "error": 0.02},
        "curve": curve, "ended": ended,
        "machine": {"processor": "A processor", "cores": 2, "system": "Debian", "torch": "2.11.0", "device": "cpu"},
        "program": {"commit": "abc1234", "digest": "0123456789ab"}, "jobs": 2, "load_before": 2.0,
        "cpu_share": 0.9 if run.seed == 3 and run.method.name == "plain" else 0.99, "date": "2026-01-02",
    }


def main() -> None:
    generator = random.Random(1)
    record = FOLDER / "runs.jsonl"
    record.unlink(missing_ok=True)
    for name in ("methods", "hacking"):
        path = FOLDER / f"{name}.json"
        laboratory = read(path)
        plan = Plan(laboratory, laboratory.budgets["full"], Record(record))
        for stage in range(plan.stages):
            for run in plan.runs(stage):
                plan.record.append(line(run, laboratory.task, generator))
        command.report(plan, argparse.Namespace(file=path, budget="full", output=FOLDER))


if __name__ == "__main__":
    main()
