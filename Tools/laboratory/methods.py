"""The file that lists methods: what is compared, from which recipe, on which budgets.

docs/laboratory.md describes every key. Reading is strict: an unknown or a missing key is an error that names it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from grid import Grid


class FileError(Exception):
    """The file of methods cannot be used; the text says where and why."""


@dataclass(frozen=True)
class Method:
    """One method: what it changes in the base recipe, and the settings that are tried for it."""

    name: str
    label: str
    overrides: dict[str, str]
    grid: Grid


@dataclass(frozen=True)
class Tuning:
    """A stage of tuning: the first `settings` of the grid, or the `best` of the stage before."""

    seconds: float
    settings: int | None
    best: int | None


@dataclass(frozen=True)
class Final:
    """The stage that is published: each method's chosen setting under `seeds` seeds, from 1."""

    seconds: float
    seeds: int
    evaluations: int


@dataclass(frozen=True)
class Budget:
    """What a comparison costs."""

    name: str
    tuning: tuple[Tuning, ...]
    final: Final


@dataclass(frozen=True)
class Reference:
    """The machine whose seconds all seconds are: what an epoch of a recipe takes there on one thread."""

    recipe: str
    epoch_seconds: float


@dataclass(frozen=True)
class Laboratory:
    """A file of methods."""

    path: Path
    task: str
    page: str
    title: str
    base: str
    held_out: str
    validation: str
    common: dict[str, str]
    methods: tuple[Method, ...]
    budgets: dict[str, Budget]
    report: str
    """`accuracy`: methods against each other; `hacking`: each one's trained reward against strict accuracy."""
    tuned_by: "Laboratory | None"
    """The file whose comparison has chosen the settings; then this one has no tuning."""
    reference: Reference | None
    """None where seconds are those of whichever machine makes the runs."""

    def method(self, name: str) -> Method:
        return next(method for method in self.methods if method.name == name)


def overrides(settings: list[str], where: str) -> dict[str, str]:
    """`key=value` texts as key -> value; of two with one key the later counts."""
    pairs = [setting.partition("=") for setting in settings]
    for key, equals, _ in pairs:
        if not equals:
            raise FileError(f"{where}: {key} is not key=value")
    return {key: value for key, _, value in pairs}


def section(value: dict, where: str, required: str, optional: str = "") -> dict:
    """The value itself, with exactly the named keys; `about` is a remark and allowed everywhere."""
    for key in required.split():
        if key not in value:
            raise FileError(f"{where}: the key {key} is missing")
    for key in value:
        if key not in [*required.split(), *optional.split(), "about"]:
            raise FileError(f"{where}: the key {key} is unknown")
    return value


def read(path: Path) -> Laboratory:
    """Reads a file of methods."""
    try:
        text = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: {error}") from error
    return _Reader(path, text).laboratory()


class _Reader:
    def __init__(self, path: Path, text: dict):
        self.path, self.text = path, text
        both = "task page title base held_out budgets methods"
        if "tuned_by" in text:
            section(text, str(path), both + " tuned_by", "common report reference")
        elif "methods_from" in text:
            section(text, str(path), both + " validation methods_from", "common report reference")
        else:
            section(text, str(path), both + " validation parts grids", "common report reference")
        if text.get("report", "accuracy") not in ("accuracy", "hacking"):
            raise FileError(f"{path}: report is accuracy or hacking")

    def laboratory(self) -> Laboratory:
        text = self.text
        other = text.get("tuned_by") or text.get("methods_from")
        source = read(self.path.parent / other) if other else None
        tuner = source if "tuned_by" in text else None
        methods = self.named(source) if source else [self.method(value) for value in text["methods"]]
        lengths = {len(method.grid.rows) for method in methods}
        if len(lengths) != 1:
            found = ", ".join(str(length) for length in sorted(lengths))
            raise FileError(f"{self.path}: methods are tuned alike, and their grids have {found or 'no'} settings")
        budgets = {name: self.budget(name, value, min(lengths)) for name, value in text["budgets"].items()}
        return Laboratory(
            path=self.path, task=text["task"], page=text["page"], title=text["title"], base=text["base"],
            held_out=text["held_out"], validation=tuner.validation if tuner else text["validation"],
            common={**(source.common if source else {}), **overrides(text.get("common", []), "common")},
            methods=tuple(methods), budgets=budgets, report=text.get("report", "accuracy"), tuned_by=tuner,
            reference=self.reference(source))

    def reference(self, source: Laboratory | None) -> Reference | None:
        """The file's own, or that of the file whose methods it names."""
        if "reference" not in self.text:
            return source.reference if source else None
        value = section(self.text["reference"], f"{self.path}: reference", "recipe epoch_seconds")
        return Reference(value["recipe"], value["epoch_seconds"])

    def named(self, source: Laboratory) -> list[Method]:
        """Methods of another file by their names."""
        chosen = {method.name: method for method in source.methods}
        for name in self.text["methods"]:
            if name not in chosen:
                raise FileError(f"{self.path}: {source.path} has no method {name}")
        return [chosen[name] for name in self.text["methods"]]

    def method(self, value: dict) -> Method:
        where = f"{self.path}: method {value.get('name')}"
        section(value, where, "name label parts settings grid")
        settings: list[str] = []
        for part in value["parts"]:
            if part not in self.text["parts"]:
                raise FileError(f"{where}: there is no part {part}")
            settings += self.text["parts"][part]
        if value["grid"] not in self.text["grids"]:
            raise FileError(f"{where}: there is no grid {value['grid']}")
        grid = section(self.text["grids"][value["grid"]], f"grid {value['grid']}", "keys settings")
        rows = tuple(tuple(row) for row in grid["settings"])
        if any(len(row) != len(grid["keys"]) for row in rows) or len(set(rows)) != len(rows):
            raise FileError(f"grid {value['grid']}: each setting has a value for every key, and no two are equal")
        own = overrides(settings + value["settings"], where)
        return Method(value["name"], value["label"], own, Grid(tuple(grid["keys"]), rows))

    def budget(self, name: str, value: dict, settings: int) -> Budget:
        where = f"{self.path}: budget {name}"
        section(value, where, "tuning final")
        stages = []
        for number, stage in enumerate(value["tuning"]):
            section(stage, where, "seconds " + ("best" if number else "settings"))
            stages.append(Tuning(stage["seconds"], stage.get("settings"), stage.get("best")))
        if stages and stages[0].settings > settings:
            raise FileError(f"{where}: {stages[0].settings} settings of {settings}")
        final = section(value["final"], where, "seconds seeds evaluations")
        return Budget(name, tuple(stages), Final(final["seconds"], final["seeds"], final["evaluations"]))
