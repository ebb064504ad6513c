"""The runs of a comparison, stage by stage, in the order in which they are made.

Methods and seeds take turns (seed 1 of every method, then seed 2), so that a drift of the machine meets all alike. A
run is known by its key: a digest of base recipe, prompts, weights of the base model, settings, seed and seconds.
"""

import contextlib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inputs import Inputs, digest, recipe_digest
from methods import Budget, Laboratory, Method
from records import Record

TUNING_SEED = 0
"""The seed of all tuning; final seeds begin with 1."""


@dataclass(frozen=True)
class Run:
    """One training run."""

    stage: str
    method: Method
    setting: int
    """The row of the method's grid, from 0."""
    seed: int
    seconds: float
    settings: dict[str, str]
    """What it changes in the base recipe."""
    intervals: dict[str, str]
    """How often it evaluates and saves, which has no effect on its weights."""
    prompts: str
    """The file of its evaluations."""
    key: str

    @property
    def name(self) -> str:
        """The name of its directory."""
        own = digest(self.key + " ".join(self.arguments))[:8]
        return f"{self.method.name}-{self.seconds:g}s-setting-{self.setting + 1}-seed-{self.seed}-{own}"

    @property
    def arguments(self) -> list[str]:
        """The values of `--set`."""
        own = {
            "prompts.evaluation": self.prompts, "seed": str(self.seed), "time_limit": f"{self.seconds:g}",
        }
        return [f"{key}={value}" for key, value in {**self.settings, **own, **self.intervals}.items()]


@dataclass(frozen=True)
class Choice:
    """The settings of a method after a stage of tuning, the best first."""

    method: Method
    settings: list[int]


class Plan:
    """The runs of a laboratory on one budget, given the runs that are recorded."""

    def __init__(self, laboratory: Laboratory, budget: Budget, record: Record):
        self.laboratory, self.budget, self.record = laboratory, budget, record
        self.base = recipe_digest(laboratory.base)
        self.inputs = Inputs(laboratory.base)

    @property
    def stages(self) -> int:
        """Stages of tuning, and the final one."""
        return len(self.budget.tuning) + 1

    def name(self, stage: int) -> str:
        return f"tuning {stage + 1}" if stage < len(self.budget.tuning) else "final"

    def runs(self, stage: int) -> list[Run]:
        """The runs of a stage; the stages before it must be recorded."""
        if stage == len(self.budget.tuning):
            return self.final_runs()
        seconds = self.budget.tuning[stage].seconds
        choices = [Choice(method, self.candidates(method, stage)) for method in self.laboratory.methods]
        most = max(len(choice.settings) for choice in choices)
        return [
            self.run(self.name(stage), choice.method, choice.settings[place], TUNING_SEED, seconds, 0)
            for place in range(most) for choice in choices if place < len(choice.settings)
        ]

    def final_runs(self, methods: Sequence[Method] | None = None) -> list[Run]:
        """Those of some methods, by default of all, which must be tuned."""
        final = self.budget.final
        return [
            self.run("final", method, self.chosen(method), seed, final.seconds, final.evaluations)
            for seed in range(1, final.seeds + 1) for method in methods or self.laboratory.methods
        ]

    def tuned(self) -> list[Method]:
        """The methods whose tuning is recorded."""
        found = []
        for method in self.laboratory.methods:
            with contextlib.suppress(KeyError):
                self.chosen(method)
                found.append(method)
        return found

    def count(self, stage: int) -> int:
        """The number of runs of a stage, also of one whose settings are not chosen yet."""
        methods = len(self.laboratory.methods)
        if stage == len(self.budget.tuning):
            return methods * self.budget.final.seeds
        return methods * (self.budget.tuning[stage].settings or self.budget.tuning[stage].best)

    def seconds(self, stage: int) -> float:
        """Seconds of training of one run of a stage."""
        return (*self.budget.tuning, self.budget.final)[stage].seconds

    def candidates(self, method: Method, stage: int) -> list[int]:
        """The settings of a method that take part in a stage of tuning."""
        if stage == 0:
            return list(range(self.budget.tuning[0].settings))
        return self.ranking(method, stage - 1)[: self.budget.tuning[stage].best]

    def ranking(self, method: Method, stage: int) -> list[int]:
        """The settings of a stage of tuning by validation accuracy at its end, the best first.

        A run that ended early comes after all that did not. Of two with one accuracy, the one that was ahead in the
        stage before comes first, and at the start the one that the grid lists first.
        """
        def order(setting: int) -> tuple[bool, float]:
            line = self.tuning_line(method, setting, stage)
            return (line["ended"] is not None, -line["after"]["mean"])

        return sorted(self.candidates(method, stage), key=order)

    def tuning_line(self, method: Method, setting: int, stage: int) -> dict:
        """The recorded line of a run of tuning; KeyError without it."""
        seconds = self.budget.tuning[stage].seconds
        return self.record.lines[self.run(self.name(stage), method, setting, TUNING_SEED, seconds, 0).key]

    def chosen(self, method: Method) -> int:
        """The setting with which a method is compared: the best of the last stage of tuning."""
        plan = self.tuner
        return plan.ranking(method, len(plan.budget.tuning) - 1)[0] if plan.budget.tuning else 0

    @functools.cached_property
    def tuner(self) -> "Plan":
        """The plan whose tuning has chosen the settings: its own, or that of another file."""
        laboratory = self.laboratory.tuned_by
        return Plan(laboratory, laboratory.budgets[self.budget.name], self.record) if laboratory else self

    @property
    def is_tuned(self) -> bool:
        """Whether settings are chosen by runs, and not given by the file of methods."""
        return bool(self.tuner.budget.tuning)

    def epoch_seconds(self, method: Method) -> float | None:
        """Seconds of an epoch of the chosen setting in the longest tuning; None without tuning."""
        plan = self.tuner
        if not plan.budget.tuning:
            return None
        line = plan.tuning_line(method, plan.chosen(method), len(plan.budget.tuning) - 1)
        return line["training_seconds"] / max(1, line["epochs"])

    def run(self, stage: str, method: Method, setting: int, seed: int, seconds: float, evaluations: int) -> Run:
        laboratory = self.laboratory
        settings = {**laboratory.common, **method.overrides, **method.grid.values(setting)}
        prompts = laboratory.held_out if stage == "final" else laboratory.validation
        identity = [
            laboratory.task, self.base, self.inputs.prompts(Path(prompts)), self.inputs.of(settings),
            sorted(settings.items()), seed, seconds,
        ]
        intervals = {"evaluation.every": "100000", "checkpoints.every": "10"}
        epoch = self.epoch_seconds(method) if evaluations else None
        if epoch:
            every = max(1, round(seconds / evaluations / epoch))
            intervals = {"evaluation.every": str(every), "checkpoints.every": str(every)}
        elif evaluations:
            intervals["evaluation.every"] = "5"
        return Run(stage, method, setting, seed, seconds, settings, intervals, prompts, digest(json.dumps(identity)))
