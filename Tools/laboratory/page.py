"""The page of a comparison, from the record alone."""

from pathlib import Path

from comparison import AXES, Comparison, Outcome
from estimates import Estimate
from inputs import images, texts
from records import QUIET_SHARE, has_diverged, is_disturbed
from verdict import plural, verdict


def page(comparison: Comparison, chart: str, command: str) -> str:
    """Markdown; `chart` is the chart's file name."""
    laboratory = comparison.plan.laboratory
    picture = f"![Held-out accuracy over training time]({chart})"
    blocks = [f"# {laboratory.title}", intention(comparison), picture, *results(comparison)]
    blocks += ["## What is shown", *verdict(comparison), "## Differences", *differences(comparison)]
    if not laboratory.tuned_by:
        blocks += ["## Tuning", *tuning(comparison)]
    blocks += ["## Every run", *every_run(comparison), measured(comparison, command)]
    return "\n\n".join(blocks) + "\n"


def table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns are text."""
    lines = [header, ["---" if column < left else "---:" for column in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f}" if estimate.error is None else f"{estimate.mean:.3f} ± {estimate.error:.3f}"


def probability(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(value: float) -> str:
    return f"{value:,.0f}"


def settings(outcome: Outcome, setting: int | None = None) -> str:
    """The values of a row of a method's grid, by default the chosen one."""
    values = outcome.method.grid.values(outcome.setting if setting is None else setting)
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in values.items())


def intention(comparison: Comparison) -> str:
    text = (
        f"Held-out accuracy (strict) of the task of `{comparison.plan.laboratory.base}`; mean ± standard error over "
        "seeds. ")
    if comparison.plan.is_tuned:
        text += f"Each method has the best of its own settings, chosen on {choice(comparison)}."
    else:
        text += "Each method has the setting that the file of methods gives it; none was tuned here."
    return text + comparison.remaining()


def choice(comparison: Comparison) -> str:
    """The prompts on which settings were chosen, and what they share with those of training and of the page."""
    plan = comparison.plan
    paths = [
        Path(plan.laboratory.validation), plan.inputs.path("prompts.train", plan.laboratory.common),
        Path(plan.laboratory.held_out),
    ]
    own, trained, held_out = map(texts, paths)
    if not own & (trained | held_out):
        return "prompts that are neither trained on nor held out"
    found = [{plan.inputs.file(image) for image in images(path)} for path in paths]
    apart = found[0] and not found[0] & (found[1] | found[2])
    return (
        f"validation prompts, of whose {len(own)} texts {len(own & trained)} are also trained on and "
        f"{len(own & held_out)} are held out" + (", with source images of their own" if apart else ""))


def results(comparison: Comparison) -> list[str]:
    spent = {axis: comparison.common(axis) for axis in AXES}
    horizon = comparison.horizon
    header = ["method", "chosen setting", "seeds", "before"] + ([f"at {horizon:g} s"] if horizon else []) + [
        f"at {count(spent[axis])} {'s' if axis == 'seconds' else name}" for axis, name in AXES.items()
    ] + ["epochs", "updates"]
    rows = [
        [outcome.method.label, settings(outcome), str(len(outcome.lines)), number(outcome.before())]
        + ([number(outcome.at("seconds", horizon))] if horizon else [])
        + [number(outcome.at(axis, spent[axis])) for axis in AXES]
        + [count(outcome.mean_of(name)) for name in ("epochs", "updates")]
        for outcome in comparison.outcomes
    ]
    notes = (
        "NFE (rows of the network in rollouts) and images are compared where the run that spent least of them ended. "
        "Between two evaluations accuracy is taken on the straight line.")
    if horizon:
        notes += (
            f" Runs of {horizon:g} s have chosen the settings. A longer run has not come to the end of its learning "
            "rate's fall there, so that column is not the tuning's.")
    ended = [line for line in comparison.lines if line["ended"] and not has_diverged(line)]
    if ended:
        names = "; ".join(f"{line['method']} seed {line['seed']}: {line['ended']}" for line in ended)
        notes += (
            f" {plural(len(ended), 'run')} ended early and did not reach these, so the last accuracy stands for each "
            f"({names}).")
    return [table(header, rows, left=2), notes + divergences(comparison)]


def divergences(comparison: Comparison) -> str:
    """Which methods have seeds whose loss was not finite; empty without one."""
    found = [
        f"{outcome.method.label}: {outcome.diverged} of {plural(len(outcome.lines), 'seed')} diverged"
        for outcome in comparison.outcomes if outcome.diverged
    ]
    if not found:
        return ""
    return f" {'; '.join(found)}. From there on such a run counts with its accuracy before training."


def differences(comparison: Comparison) -> list[str]:
    rows = []
    for pair in comparison.pairs():
        difference = pair.difference
        known = difference.p is not None
        rows.append([
            f"{pair.first.method.label} − {pair.second.method.label}",
            f"{difference.value:+.3f}" + (f" ± {difference.error:.3f}" if known else ""),
            "yes" if difference.is_resolved else "no",
            f"{difference.freedom:.1f}" if difference.freedom else "",
            probability(difference.p), probability(pair.adjusted),
        ])
    if not rows:
        return ["One method alone has no difference."]
    text = (
        f"At {comparison.seconds:g} s of training, over seeds; standard error, degrees of freedom and p are Welch's, "
        f"and the last column is p after Holm's correction for {plural(len(rows), 'pair')}.")
    return [text, table(["pair", "difference", "beyond 2 errors", "freedom", "p", "p (Holm)"], rows)]


def tuning(comparison: Comparison) -> list[str]:
    plan = comparison.plan
    if not plan.budget.tuning:
        return ["Nothing was tuned: each method has the first setting of its grid."]
    rows = []
    for outcome in comparison.outcomes:
        method = outcome.method
        for setting in plan.candidates(method, 0):
            scores = []
            for stage in range(len(plan.budget.tuning)):
                if setting not in plan.candidates(method, stage):
                    scores.append("")
                    continue
                line = plan.tuning_line(method, setting, stage)
                remark = " (ended early)" if line["ended"] else " (disturbed)" if is_disturbed(line) else ""
                scores.append(f"{line['after']['mean']:.3f}{remark}")
            values = settings(outcome, setting)
            label = method.label if setting == 0 else ""
            rows.append([label, f"**{values}**" if setting == outcome.setting else values, *scores])
    rule = (
        "Accuracy on the validation prompts at the end of a run, one seed. The best settings of a stage go on to the "
        "next, and the best of the last is compared (bold). Of two with one accuracy the one that was ahead before "
        "goes on, and in the first stage the one that is listed first. A run that ended early comes last; one that was "
        f"disturbed had less than {QUIET_SHARE:.0%} of a core.")
    header = ["method", "setting"] + [f"{stage.seconds:g} s" for stage in plan.budget.tuning]
    return [rule, table(header, rows, left=2)]


def every_run(comparison: Comparison) -> list[str]:
    rows = [
        [f"{outcome.method.label}, seed {line['seed']}", f"{line['before']['mean']:.3f}",
         f"{line['after']['mean']:.3f}", str(line["epochs"]), f"{line['training_seconds']:.0f}", count(line["nfe"]),
         count(line["images"]), f"{line['cpu_share']:.0%}" + (" disturbed" if is_disturbed(line) else "")]
        for outcome in comparison.outcomes for line in outcome.lines
    ]
    header = ["run", "before", "after", "epochs", "seconds", "NFE", "images", "CPU"]
    return [table(header, rows)]


def speed(lines: list[dict]) -> str:
    """What a second of the reference took where the runs were made."""
    found = sorted({line.get("slowness", 1.0) for line in lines})
    if found == [1.0]:
        return ""
    span = f"{found[0]:.2f}" if len(found) == 1 else f"{found[0]:.2f} to {found[-1]:.2f}"
    return f" Seconds of training are those of the reference machine; one took {span} s."


def builds(final: list[dict], tuning: list[dict]) -> str:
    """Which builds have made the final runs and the tuning."""
    def of(lines: list[dict]) -> list[str]:
        found = {line["program"]["digest"]: line["program"]["commit"] for line in lines}
        return [f"{commit} ({digest})" for digest, commit in sorted(found.items())]

    text = "; ".join(of(final))
    if len(of(final)) > 1:
        text += ", so differences between methods may be differences between builds"
    return text + (f". Of the tuning: {'; '.join(of(tuning))}." if tuning and of(tuning) != of(final) else ".")


def measured(comparison: Comparison, command: str) -> str:
    """How, where and when final runs and those of the tuning were made."""
    tuning = comparison.tuning_lines()
    lines = comparison.lines + tuning

    def all_of(values) -> str:
        return "; ".join(sorted(set(values)))

    pattern = "{processor}, {cores} cores, {system}, libtorch {torch}, {device}"
    # A run whose loss was not finite has no summary to say where it was made.
    machine = all_of(pattern.format(**line["machine"]) for line in lines if line["machine"]["processor"])
    dates = sorted(line["date"] for line in lines)
    disturbed = plural(sum(map(is_disturbed, comparison.lines)), "final run")
    if tuning:
        disturbed += f" and {plural(sum(map(is_disturbed, tuning)), 'run')} of tuning"
    return "\n".join([
        f"- Command: {command}; {dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else "") + ".",
        f"- Machine: {machine}; {all_of(str(line['jobs']) for line in lines)} runs at a time, each with one thread "
        f"and a core of its own.{speed(lines)}",
        f"- Build: {builds(comparison.lines, tuning)}",
        f"- Disturbed, with less than {QUIET_SHARE:.0%} of a core: {disturbed}. Seconds of training are "
        "without evaluations and checkpoints; a run ends with the epoch in which its time is over.",
    ])
