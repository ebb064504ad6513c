"""The command line: runs stage by stage, then page and chart."""

import argparse
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chart
import hacking
import page
from comparison import Comparison
from methods import FileError, Method, read
from plan import Plan
from records import Record
from running import Failed, Runner, Stopped, cores, say, set_options

OVERHEAD = 6
"""Seconds of a run beside its training: loading, two evaluations, saving; measured with the embedded model."""
EVALUATION = 1.2
"""Seconds of one evaluation in between."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Tools/laboratory", description="Compares methods that are tuned alike.")
    parser.add_argument("file", type=Path, help="the file of methods")
    parser.add_argument("--budget", default="small", help="a budget of the file (small)")
    parser.add_argument("--jobs", type=int, default=len(cores()), help="runs at a time (one for each core)")
    parser.add_argument("--tempflow", default=".build/release/tempflow", help="the command")
    parser.add_argument("--runs", type=Path, default=Path("runs/laboratory"), help="folder of the runs")
    parser.add_argument("--record", type=Path, help="the record file")
    parser.add_argument("--output", type=Path, help="folder of page and chart")
    alternatives = parser.add_mutually_exclusive_group()
    alternatives.add_argument("--dry-run", action="store_true", help="check every method, list runs and time")
    alternatives.add_argument("--report", action="store_true", help="only write page and chart from the record")
    values = parser.parse_args()
    if values.jobs < 1:
        parser.error("--jobs is at least 1")
    # What is published is under docs; any other budget stays out of the repository.
    published = values.budget == "full"
    values.output = values.output or (Path("docs/results") if published else values.runs / values.budget)
    values.record = values.record or (values.output / "compare" if published else values.output) / "runs.jsonl"
    return values


def main() -> None:
    values = options()
    try:
        laboratory = read(values.file)
        if values.budget not in laboratory.budgets:
            raise FileError(f"{values.file} has the budgets {', '.join(laboratory.budgets)}, and not {values.budget}")
        plan = Plan(laboratory, laboratory.budgets[values.budget], Record(values.record))
        if values.dry_run:
            check(plan, values.tempflow)
            dry_run(plan, values.jobs)
            return
        if not values.report:
            make_runs(plan, values)
        report(plan, values)
    except (FileError, Failed, OSError) as error:
        sys.exit(f"laboratory: {error}")
    except (Stopped, KeyboardInterrupt):
        sys.exit("laboratory: stopped; start it again to go on")


def make_runs(plan: Plan, values: argparse.Namespace) -> None:
    """Makes every run that is not recorded, stage by stage."""
    check(plan, values.tempflow)
    folder = values.runs / f"{plan.laboratory.task}-{values.budget}"
    runner = Runner(
        values.tempflow, plan.laboratory.task, plan.laboratory.base, folder, plan.record, values.jobs,
        plan.laboratory.reference)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # A program that starts the laboratory from a thread with blocked signals passes that on.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    runner.hold()
    for stage in range(plan.stages):
        try:
            runner.run(plan.runs(stage))
        except Failed as error:
            raise Failed(f"runs did not finish; start the laboratory again to continue them\n{error}") from error
        except KeyError as error:
            path = plan.laboratory.tuned_by.path
            raise Failed(f"make the comparison of {path} first, which chooses the settings") from error


def stop(number: int, frame) -> None:
    """A first signal lets active runs save; a second one ends the laboratory at once."""
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_DFL)
    raise Stopped


def check(plan: Plan, command: str) -> None:
    """Lets the command read the recipe of every method once, so that a misspelled key shows before the first run."""
    def outcome(method: Method) -> subprocess.CompletedProcess:
        settings = {**plan.laboratory.common, **method.overrides, **method.grid.values(0)}
        return subprocess.run(
            [command, "plan", plan.laboratory.base, *set_options(settings)], capture_output=True, text=True, check=False)

    methods = plan.laboratory.methods
    with ThreadPoolExecutor(len(cores())) as pool:
        for method, plan_outcome in zip(methods, pool.map(outcome, methods), strict=True):
            if plan_outcome.returncode != 0:
                raise FileError(f"{plan.laboratory.path}: method {method.name}: {plan_outcome.stderr.strip()}")


def report(plan: Plan, values: argparse.Namespace) -> None:
    """Writes page and chart from the record."""
    laboratory = plan.laboratory
    try:
        comparison = Comparison(plan)
    except KeyError as error:
        raise Failed("the record lacks runs of tuning, so there is nothing to report yet") from error
    if not comparison.lines:
        raise Failed("the record has no final run, so there is nothing to report yet")
    command = f"`python3 Tools/laboratory {values.file} --budget {values.budget}`"
    values.output.mkdir(parents=True, exist_ok=True)
    target = values.output / f"{laboratory.page}.md"
    if laboratory.report == "hacking":
        target.write_text(hacking.page(comparison, command))
    else:
        (values.output / f"{laboratory.page}.svg").write_text(chart.chart(comparison))
        target.write_text(page.page(comparison, f"{laboratory.page}.svg", command))
    say(f"wrote {target}")


def dry_run(plan: Plan, jobs: int) -> None:
    """Prints the runs of every stage and the time that all of them take."""
    total = 0.0
    for stage in range(plan.stages):
        evaluations = plan.budget.final.evaluations if plan.name(stage) == "final" else 0
        each = plan.seconds(stage) + OVERHEAD + EVALUATION * evaluations
        print(f"{plan.name(stage)}: {plan.count(stage)} runs of {plan.seconds(stage):g} s")
        try:
            runs = plan.runs(stage)
        except KeyError:
            print("  with the settings that the stage before chooses")
            total += plan.count(stage) * each
            continue
        for run in runs:
            made = run.key in plan.record.lines
            print(f"  {run.name}{' (recorded)' if made else ''}: {' '.join(run.arguments)}")
            total += 0 if made else each
    where = " on the machine of the reference" if plan.laboratory.reference else ""
    print(f"about {total / jobs / 60:.0f} minutes{where}, {jobs} runs at a time")
