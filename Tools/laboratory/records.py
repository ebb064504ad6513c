"""The record: one JSON line for each finished run, and how a run's directory becomes a line.

The record is complete without the runs' directories: pages are made from it alone.
"""

import json
import os
from pathlib import Path

QUIET_SHARE = 0.95
"""A run with less CPU time per second was disturbed: it waited for its core."""


def is_disturbed(line: dict) -> bool:
    return line["cpu_share"] < QUIET_SHARE


def has_diverged(line: dict) -> bool:
    """Whether the run ended because its loss, or another figure of an update, was not finite."""
    return line["ended"] is not None and "is not finite" in line["ended"]


class Record:
    """The lines of a record file, by the keys of their runs."""

    def __init__(self, path: Path):
        self.path = path
        self.read()

    def read(self) -> None:
        """Reads the file, which another laboratory may have made longer."""
        self.lines: dict[str, dict] = {}
        text = self.path.read_bytes() if self.path.exists() else b""
        # A power failure can leave a last line without its end.
        self.complete = text.rfind(b"\n") + 1
        for line in text[: self.complete].splitlines():
            entry = json.loads(line)
            self.lines[entry["key"]] = entry

    def append(self, entry: dict) -> None:
        """Adds a line; it is on the disk when this returns. OSError, also where others have added lines meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if b"\n" in os.pread(descriptor, os.fstat(descriptor).st_size, self.complete):
                raise OSError(f"{self.path}: another program has added lines")
            os.ftruncate(descriptor, self.complete)
            os.lseek(descriptor, self.complete, os.SEEK_SET)
            written = os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if written != len(line.encode()):
            raise OSError(f"{self.path}: the disk is full")
        self.complete += written
        self.lines[entry["key"]] = entry


def read_lines(path: Path) -> list[dict]:
    """The complete lines of a run's log."""
    text = path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def read_summary(directory: Path) -> dict | None:
    """The outcome of a run; None while it has none."""
    try:
        return json.loads((directory / "summary.json").read_text())
    except FileNotFoundError:
        return None


def curve(directory: Path, slowness: float = 1.0) -> tuple[dict[str, list], dict]:
    """What the evaluations of a run saw, as one list for each figure, and the run's totals, in the reference's
    seconds."""
    seconds = {
        line["epoch"]: line["total_seconds"] / slowness
        for line in read_lines(directory / "timings.jsonl") if line["kind"] == "epoch"
    }
    spent = {"nfe": 0, "images": 0}
    names = ("epoch", "seconds", "nfe", "images", "mean", "error", "training_reward")
    points: dict[str, list] = {name: [] for name in names}
    alarm, epochs, updates = None, 0, 0
    for line in read_lines(directory / "metrics.jsonl"):
        if line["kind"] == "epoch":
            epochs, updates = line["epoch"], line["updates"]
            for name in spent:
                spent[name] += line[name]
            continue
        row = {
            "epoch": line["epoch"], "seconds": round(seconds.get(line["epoch"], 0.0), 3), **spent,
            "mean": line["mean"] or 0.0, "error": rounded(line["standard_error"]),
            "training_reward": rounded(line["training_reward_mean"]),
        }
        # The last epoch has one evaluation, also when a run was resumed after it.
        if points["epoch"] and points["epoch"][-1] == line["epoch"]:
            for name in names:
                points[name].pop()
        for name in names:
            points[name].append(row[name])
        if line.get("held_out_alarms") and alarm is None:
            alarm = line["epoch"]
    totals = {
        "epochs": epochs, "updates": updates, "training_seconds": round(seconds.get(epochs, 0.0), 3), **spent,
        "alarm_epoch": alarm,
    }
    return points, totals


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def line_of(run, task: str, directory: Path, ended: str | None, about: dict) -> dict:
    """The line of a run that has ended: `ended` says why it did before its time, and is None otherwise."""
    points, totals = curve(directory, about["slowness"])
    summary = read_summary(directory) or {}
    machine = summary.get("machine", {})
    ends = [
        {"mean": points["mean"][place], "error": points["error"][place]} for place in (0, -1)
    ]
    return {
        "key": run.key, "task": task, "stage": run.stage, "method": run.method.name,
        "setting": run.method.grid.values(run.setting), "seed": run.seed, "seconds": run.seconds,
        "overrides": run.arguments, **totals, "before": ends[0], "after": ends[1], "curve": points, "ended": ended,
        "machine": {name: machine.get(name) for name in ("processor", "cores", "system", "torch", "device")}, **about,
    }
