"""The final runs of a comparison, method by method, at equal time, equal evaluations and equal images."""

from dataclasses import dataclass

from estimates import Difference, Estimate, estimate, holm, interpolate, welch
from methods import Method
from plan import Plan
from records import has_diverged

AXES = {"seconds": "training time", "nfe": "NFE", "images": "images"}
STATIONS = 12
"""Equal parts of the time at whose ends the chart has its points."""


@dataclass(frozen=True)
class Outcome:
    """One method: the recorded lines of its final runs, in the order of seeds."""

    method: Method
    setting: int
    lines: list[dict]

    def values(self, axis: str, x: float) -> list[float]:
        """Held-out accuracy of every seed where it has spent x.

        Beyond its last evaluation a run that diverged has its accuracy before training, for its weights are lost, and
        another run that ended early has its last accuracy.
        """
        found = []
        for line in self.lines:
            value = interpolate(line["curve"][axis], line["curve"]["mean"], x)
            end = line["before"]["mean"] if has_diverged(line) else line["curve"]["mean"][-1]
            found.append(end if value is None else value)
        return found

    @property
    def diverged(self) -> int:
        """Seeds whose run diverged."""
        return sum(map(has_diverged, self.lines))

    def at(self, axis: str, x: float) -> Estimate:
        return estimate(self.values(axis, x))

    def before(self) -> Estimate:
        return estimate([line["before"]["mean"] for line in self.lines])

    def mean_of(self, name: str) -> float:
        return sum(line[name] for line in self.lines) / len(self.lines)


@dataclass(frozen=True)
class Pair:
    """Two methods, the first with the higher mean, at equal training time."""

    first: Outcome
    second: Outcome
    difference: Difference
    adjusted: float | None
    """P-value after Holm's correction for all pairs."""


class Comparison:
    """Everything that a page says about final runs."""

    def __init__(self, plan: Plan):
        self.plan = plan
        tuned = plan.tuned()
        if not tuned:
            raise KeyError
        runs = plan.final_runs(tuned)
        self.planned = len(plan.laboratory.methods) * plan.budget.final.seeds
        self.untuned = [method for method in plan.laboratory.methods if method not in tuned]
        recorded: dict[str, list] = {}
        for run in runs:
            if run.key in plan.record.lines:
                recorded.setdefault(run.method.name, []).append(plan.record.lines[run.key])
        self.outcomes = [
            Outcome(method, plan.chosen(method), recorded[method.name])
            for method in plan.laboratory.methods if method.name in recorded
        ]
        self.lines = [line for outcome in self.outcomes for line in outcome.lines]
        self.seconds = plan.budget.final.seconds

    def tuning_lines(self) -> list[dict]:
        """The runs that have chosen the settings of these methods."""
        plan = self.plan.tuner
        return [
            plan.tuning_line(outcome.method, setting, stage)
            for outcome in self.outcomes for stage in range(len(plan.budget.tuning))
            for setting in plan.candidates(outcome.method, stage)
        ]

    def uncounted(self, outcome: Outcome) -> list[dict]:
        """The recorded runs of a method that are neither its tuning nor its final runs."""
        plan = self.plan.tuner
        counted = {line["key"] for line in self.tuning_lines()} | {line["key"] for line in self.lines}
        tasks = {plan.laboratory.task, self.plan.laboratory.task}
        known = {run.key for run in self.plan.final_runs([outcome.method])}
        return [
            line for line in self.plan.record.lines.values()
            if line["method"] == outcome.method.name and line["task"] in tasks and line["key"] not in counted | known
        ]

    @property
    def horizon(self) -> float | None:
        """Seconds of the runs that have chosen the settings; None without tuning, or where final runs are no longer."""
        tuning = self.plan.tuner.budget.tuning
        return tuning[-1].seconds if tuning and tuning[-1].seconds < self.seconds else None

    def remaining(self) -> str:
        """What is not recorded yet, as an emphasized sentence; empty where nothing is missing."""
        if len(self.lines) == self.planned:
            return ""
        names = ", ".join(method.label for method in self.untuned)
        return (
            f" **Unfinished: {len(self.lines)} of {self.planned} final runs are recorded"
            + (f"; not tuned yet: {names}" if names else "") + ".**")

    def common(self, axis: str) -> float:
        """What every run has spent that did not end early: the time limit, or the smallest total."""
        if axis == "seconds":
            return self.seconds
        whole = [line for line in self.lines if line["ended"] is None] or self.lines
        return min(line[axis] for line in whole)

    def ranked(self) -> list[Outcome]:
        """By mean accuracy at equal training time, the highest first."""
        return sorted(self.outcomes, key=lambda outcome: -outcome.at("seconds", self.seconds).mean)

    def pairs(self) -> list[Pair]:
        """All pairs of methods, in the order of their ranks."""
        ranked = self.ranked()
        pairs = [(first, second) for place, first in enumerate(ranked) for second in ranked[place + 1 :]]
        found = [
            welch(first.values("seconds", self.seconds), second.values("seconds", self.seconds))
            for first, second in pairs
        ]
        known = [difference.p for difference in found if difference.p is not None]
        adjusted = iter(holm(known))
        return [
            Pair(first, second, difference, None if difference.p is None else next(adjusted))
            for (first, second), difference in zip(pairs, found, strict=True)
        ]
