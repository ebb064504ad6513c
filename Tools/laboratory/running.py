"""Training runs as child processes: several at a time, each on a core of its own, stopped and resumed at will."""

import ctypes
import datetime
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from methods import Reference
from plan import Run
from records import QUIET_SHARE, Record, line_of, read_lines, read_summary


EPOCHS = 6
"""Epochs by which the machine's speed is measured, without the first."""


class Stopped(Exception):
    """SIGINT or SIGTERM has arrived."""


class Failed(Exception):
    """Runs did not come to their end; the text names them."""


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def program(command: str) -> dict:
    """Which build makes the runs."""
    head = subprocess.run(["git", "describe", "--always", "--exclude=*"], capture_output=True, text=True, check=False)
    return {
        "commit": head.stdout.strip() or None,
        "digest": hashlib.sha256(Path(command).read_bytes()).hexdigest()[:12],
    }


def set_options(settings: dict) -> list[str]:
    """`--set key=value` for each setting."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


class Runner:
    """Makes runs and records them."""

    def __init__(
        self, command: str, task: str, base: str, folder: Path, record: Record, jobs: int, reference: Reference | None,
    ):
        self.command, self.task, self.base, self.folder, self.record, self.jobs = (
            command, task, base, folder, record, jobs)
        self.reference = reference
        self.program = program(command)
        self.lock = None
        self.slowness = None if reference else 1.0
        """Seconds of this machine for one of the reference; None before it is measured."""

    def hold(self) -> None:
        """Waits until no run of an earlier start is left; children inherit the lock and hold it until they end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = (self.folder.parent / "lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for the end of runs that another laboratory has started")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        # Whoever had the lock may have recorded runs since this one began.
        self.record.read()

    def run(self, runs: list[Run]) -> None:
        """Makes the runs that are not recorded, in order."""
        waiting = [run for run in runs if run.key not in self.record.lines]
        if waiting and self.slowness is None:
            self.slowness = self.known_slowness()
        free, active, failures = self.places(), {}, []
        try:
            while waiting or active:
                while waiting and free:
                    job = Job(self, waiting.pop(0), free.pop(0))
                    active[job.process.pid] = job
                pid, status, usage = os.wait4(-1, 0)
                job = active.pop(pid)
                free.append(job.core)
                if reason := job.finish(status, usage):
                    failures.append(f"{job.run.name}: {reason}")
                    say(failures[-1])
        except Stopped:
            self.stop(active)
            raise
        if failures:
            raise Failed("\n".join(failures))

    def places(self) -> list[int | None]:
        """A core for each of the runs at a time; None for those beyond the cores."""
        found = cores()[: self.jobs]
        return found + [None] * (self.jobs - len(found))

    def known_slowness(self) -> float:
        """What an earlier start has measured on this machine, or what is measured now: runs that are compared, and the
        parts of one that is resumed, have seconds of one length."""
        path = self.folder.parent / "speed.json"
        conditions = {
            "recipe": self.reference.recipe, "epoch_seconds": self.reference.epoch_seconds, "jobs": self.jobs,
            "host": platform.node(), "cores": len(cores()),
        }
        if path.exists():
            known = json.loads(path.read_text())
            if known["conditions"] == conditions:
                say(f"a second of the reference is {known['slowness']:.2f} s here, by {path}")
                return known["slowness"]
        slowness, share = self.measure()
        say(f"a second of the reference is {slowness:.2f} s here")
        if share < QUIET_SHARE:
            say(f"warning: with {share:.0%} of a core, beside other programs, so a later start measures it again")
        else:
            path.write_text(json.dumps({"conditions": conditions, "slowness": slowness}) + "\n")
        return slowness

    def measure(self) -> tuple[float, float]:
        """Trains the reference's recipe for a few epochs, as many times at once as runs: seconds for one of the
        reference, and the smallest CPU time per second."""
        say(f"how fast this machine is: epochs of {self.reference.recipe}")
        settings = {
            "threads": 1, "epochs": EPOCHS, "time_limit": "null", "evaluation.prompts": 1, "evaluation.samples": 1,
            "evaluation.every": EPOCHS, "checkpoints.every": EPOCHS,
        }
        folders = [self.folder / f"speed-{job}" for job in range(self.jobs)]
        processes, shares = [], []
        try:
            for folder, core in zip(folders, self.places(), strict=True):
                shutil.rmtree(folder, ignore_errors=True)
                command = [self.command, "train", self.reference.recipe, "--run-dir", str(folder)]
                processes.append(start(command + set_options(settings), self, core, subprocess.DEVNULL))
            begin = time.monotonic()
            for _ in processes:
                pid, status, usage = os.wait4(-1, 0)
                ended = next(process for process in processes if process.pid == pid)
                ended.returncode = os.waitstatus_to_exitcode(status)
                shares.append((usage.ru_utime + usage.ru_stime) / (time.monotonic() - begin))
            if any(process.returncode for process in processes):
                raise Failed(f"{self.reference.recipe} cannot be trained, which says how fast this machine is")
            seconds = [
                line["epoch_seconds"] for folder in folders for line in read_lines(folder / "timings.jsonl")
                if line["kind"] == "epoch" and line["epoch"] > 1
            ]
        finally:
            for process in processes:
                process.kill()
                process.wait()
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        return round(sum(seconds) / len(seconds) / self.reference.epoch_seconds, 2), min(shares)

    @staticmethod
    def stop(active: dict[int, "Job"]) -> None:
        """Lets the active runs save and end."""
        say(f"{len(active)} active runs save and stop")
        for job in active.values():
            job.process.send_signal(signal.SIGTERM)
        for job in active.values():
            job.process.wait()


def start(command: list[str], runner: Runner, core: int | None, output) -> subprocess.Popen:
    """A child with one thread and a core of its own, which saves and ends if the laboratory is killed."""
    def prepare() -> None:
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))

    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True, pass_fds=[runner.lock.fileno()],
        preexec_fn=prepare)


class Job:
    """One run under way."""

    def __init__(self, runner: Runner, run: Run, core: int | None):
        self.runner, self.run, self.core = runner, run, core
        self.directory = runner.folder / run.name
        self.output = runner.folder / f"{run.name}.out"
        arguments = [runner.command, "train", runner.base, "--run-dir", str(self.directory)]
        # The later of two values counts.
        limit = [f"time_limit={run.seconds * runner.slowness:g}"]
        arguments += [part for setting in run.arguments + limit for part in ("--set", setting)]
        resumes = (self.directory / "recipe.yaml").exists()
        self.load = os.getloadavg()[0]
        self.start = time.monotonic()
        with self.output.open("ab") as output:
            self.process = start(arguments + (["--resume"] if resumes else []), runner, core, output)
        say(f"{run.stage}: {run.name} {'resumes' if resumes else 'starts'}")

    def finish(self, status: int, usage) -> str | None:
        """Records the run if it has ended, or returns why it has not."""
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        summary = read_summary(self.directory)
        if code == 0 and summary and summary["finished"]:
            ended = None
        elif code == 0 and summary and not summary["stopped_by"].startswith("SIG"):
            ended = summary["stopped_by"]
        elif code == 1 and "is not finite" in self.last_line():
            ended = self.last_line().removeprefix("Error: ").partition(";")[0]
        else:
            return self.last_line() or f"ended with status {code} and without a word"
        share = (usage.ru_utime + usage.ru_stime) / (time.monotonic() - self.start)
        entry = line_of(self.run, self.runner.task, self.directory, ended, {
            "slowness": self.runner.slowness, "program": self.runner.program, "jobs": self.runner.jobs,
            "load_before": round(self.load, 2),
            "cpu_share": round(share, 3), "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        })
        self.runner.record.append(entry)
        shutil.rmtree(self.directory / "checkpoints", ignore_errors=True)
        disturbed = f", disturbed: {share:.0%} of a core" if share < QUIET_SHARE else ""
        say(f"{self.run.name}: {entry['before']['mean']:.3f} -> {entry['after']['mean']:.3f}"
            f"{f', ended early: {ended}' if ended else ''}{disturbed}")
        return None

    def last_line(self) -> str:
        lines = self.output.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
