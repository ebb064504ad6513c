"""The paragraphs that say what a comparison shows and what it does not, made from its numbers."""

from comparison import Comparison, Outcome, Pair
from estimates import estimate, two_sided
from records import has_diverged, is_disturbed

LEVEL = 0.05
MARGIN = 0.01
"""A p-value this close to the level is on neither side: another method on the page can move it across."""
MOST_NAMED = 12
"""Pairs of methods that a sentence names."""


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def gap(pair: Pair) -> str:
    difference = pair.difference
    return f"{difference.value:.3f}" + ("" if difference.error is None else f" ± {difference.error:.3f}")


def is_shown(pair: Pair) -> bool:
    """Whether the two methods differ after Holm's correction; without a p-value they are not told apart."""
    return pair.adjusted is not None and pair.adjusted < LEVEL


def is_at_limit(pair: Pair) -> bool:
    """Whether p after Holm's correction is neither clearly below the level nor clearly above it."""
    return pair.adjusted is not None and abs(pair.adjusted - LEVEL) < MARGIN


def verdict(comparison: Comparison) -> list[str]:
    """Paragraphs in the order of the page."""
    parts = (leader, pairs, falls, tuning, uncounted, disturbed, limits)
    return [text for text in (part(comparison) for part in parts) if text]


def leader(comparison: Comparison) -> str:
    """The method with the highest mean, and from which others it is told apart."""
    best = comparison.ranked()[0]
    own = [pair for pair in comparison.pairs() if pair.first is best]
    mean = best.at("seconds", comparison.seconds).mean
    text = f"**{best.method.label}** has the highest mean accuracy, {mean:.3f}."
    if own and all(pair.adjusted is None for pair in own):
        return text + " With one seed there is no standard error, so no difference is shown."
    ahead, near, equal = [], [], []
    for pair in own:
        place = near if is_at_limit(pair) else ahead if is_shown(pair) else equal
        place.append(f"{pair.second.method.label} ({gap(pair)}{f'; p {pair.adjusted:.3f}' if place is near else ''})")
    if ahead:
        text += f" It is ahead of {listed(ahead)} after Holm's correction (p < {LEVEL:g})."
    if near:
        text += f" At the limit of what is told apart: {listed(near)}."
    if equal:
        text += f" It is not told apart from {listed(equal)}."
    return text


def pairs(comparison: Comparison) -> str:
    """How many differences are shown, how many are beyond two standard errors, also by chance, and which are open."""
    every = comparison.pairs()
    found = [pair for pair in every if pair.difference.p is not None]
    if not found:
        return ""
    wide = [pair for pair in found if pair.difference.is_resolved]
    chance = sum(two_sided(2, pair.difference.freedom) for pair in found if pair.difference.freedom)
    text = (
        f"Of {plural(len(every), 'pair')} of methods, {sum(map(is_shown, every))} have p below {LEVEL:g} after Holm's "
        f"correction for all pairs together, and {sum(map(is_at_limit, every))} have p within {MARGIN:g} of it, which "
        f"another method on this page could move to the other side. Without it {len(wide)} differ by more than two "
        f"standard errors; if no two methods differed, {chance:.1f} would be expected to.")
    open_pairs = [
        f"{pair.first.method.label} and {pair.second.method.label}" for pair in every if not is_shown(pair)
    ]
    if len(open_pairs) > MOST_NAMED:
        text += f" Not resolved, as the table has them: {len(open_pairs)} pairs."
    elif open_pairs:
        text += f" Not resolved: {'; '.join(open_pairs)}."
    return text


def falls(comparison: Comparison) -> str:
    """The methods whose accuracy falls far before the end, which settings that shorter runs chose cannot show."""
    found = []
    for outcome in comparison.outcomes:
        curves = [line["curve"] for line in outcome.lines if not has_diverged(line)]
        if not curves:
            continue
        best = [max(zip(curve["mean"], curve["seconds"])) for curve in curves]
        top, time = (estimate(list(values)).mean for values in zip(*best))
        last = estimate([curve["mean"][-1] for curve in curves]).mean
        # The best of a dozen evaluations is above the others by chance, too.
        if top - last > 5 * max(max(curve["error"]) for curve in curves):
            found.append(f"{outcome.method.label} ({top:.3f} after {time:.0f} s, {last:.3f} at the end)")
    if not found:
        return ""
    text = f"Accuracy falls before the end, on average over seeds from its best evaluation, for {listed(found)}."
    stages = comparison.plan.tuner.budget.tuning
    if stages and stages[-1].seconds < comparison.seconds:
        text += f" Settings were chosen by runs of {stages[-1].seconds:g} s, which may not show it."
    return text


def tuning(comparison: Comparison) -> str:
    """The limits of the tuning, and whose best setting lies at the edge of its grid."""
    tuner = comparison.plan.tuner
    if not comparison.plan.is_tuned:
        return "No method was tuned."
    stages = [
        (f"{stage.settings} settings" if stage.settings else f"the best {stage.best}") + f" for {stage.seconds:g} s"
        for stage in tuner.budget.tuning
    ]
    text = (
        f"Every method was tuned alike: {', then '.join(stages)}, one seed each, by accuracy on validation prompts. A "
        "setting outside these grids, or another number of prompts and images an epoch, may be better for any of them.")
    tried = tuner.budget.tuning[0].settings
    edges = [
        f"{outcome.method.label} ({listed(keys)})"
        for outcome in comparison.outcomes if (keys := outcome.method.grid.edges(outcome.setting, tried))
    ]
    if edges:
        text += f" The chosen value is the smallest or the largest that was tried for {listed(edges)}."
    untuned: dict[str, list[str]] = {}
    for outcome in comparison.outcomes:
        for value in outcome.method.grid.untuned(tried):
            untuned.setdefault(value, []).append(outcome.method.label)
    for value, labels in untuned.items():
        text += f" For {listed(labels)}, not tuned: {value}."
    return text


def uncounted(comparison: Comparison) -> str:
    """The runs of these methods that the record has and the page does not count: those of settings that are no longer
    tried. More settings than those of the others are more tuning."""
    if not comparison.plan.is_tuned:
        return ""
    found = []
    for outcome in comparison.outcomes:
        lines = comparison.uncounted(outcome)
        seconds = sorted({line["seconds"] for line in lines})
        parts = []
        for time in seconds:
            own = [line for line in lines if line["seconds"] == time]
            held_out = [line["after"]["mean"] for line in own if line["stage"] == "final"]
            accuracy = f" with {estimate(held_out).mean:.3f} on held-out prompts" if held_out else ""
            parts.append(f"{len(own)} of {time:g} s{accuracy}")
        if parts:
            found.append(f"{outcome.method.label} ({listed(parts)})")
    if not found:
        return ""
    return (
        "The record also has runs with other settings, made before these grids were, which count nowhere on this "
        f"page: {listed(found)}. So these methods had more tuning than the others.")


def disturbed(comparison: Comparison) -> str:
    """The means of methods some of whose runs waited for their core, without these runs."""
    def accuracy(outcome: Outcome) -> str:
        quiet = [
            value for line, value in zip(outcome.lines, outcome.values("seconds", comparison.seconds), strict=True)
            if not is_disturbed(line)
        ]
        return f"{estimate(quiet).mean:.3f}" if quiet else "none"

    found = [
        f"{outcome.method.label} {accuracy(outcome)}"
        for outcome in comparison.outcomes if any(map(is_disturbed, outcome.lines))
    ]
    if not found:
        return ""
    return f"Without disturbed runs, whose time was not all their own, mean accuracy is: {'; '.join(found)}."


def limits(comparison: Comparison) -> str:
    """What no number here covers."""
    counts = sorted({len(outcome.lines) for outcome in comparison.outcomes})
    seeds = plural(counts[-1], "seed") if len(counts) == 1 else f"{counts[0]} to {plural(counts[-1], 'seed')}"
    is_tuned = comparison.plan.is_tuned
    setting = "They do not cover the choice of a setting, which was made with one seed and shorter runs. "
    kept = "the setting that was best at equal time on this machine" if is_tuned else "one setting"
    return (
        f"The standard errors are over {seeds} of training with one set of held-out prompts and noises: they do not "
        f"cover the choice of prompts. {setting if is_tuned else ''}Which steps, group sizes and averages each method "
        "has was decided earlier, by more runs for TempFlow-GRPO than for the others, in part on the drawing task's "
        "held-out prompts. Methods make another number of optimizer updates in the same time (the column *updates*), "
        "and the average of weights that is evaluated spans as many updates in all of them, so fewer epochs where an "
        "epoch has more. One task and one small model were measured, on CPUs. On a GPU, rollout, decoding and training "
        f"take other shares of the time; at equal NFE and images each method keeps {kept}, NFE counts the rollout's "
        "rows without the forward passes of training, and a run that spent more than the least is read before its "
        "learning rate has fallen to zero.")
