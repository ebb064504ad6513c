"""The paragraphs that say what a comparison shows and what it does not, made from its numbers."""

from comparison import Comparison, Pair
from estimates import two_sided

LEVEL = 0.05


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def gap(pair: Pair) -> str:
    return f"{pair.difference.value:.3f} ± {pair.difference.error:.3f}"


def verdict(comparison: Comparison) -> list[str]:
    """Paragraphs in the order of the page."""
    return [text for text in (leader(comparison), pairs(comparison), tuning(comparison), limits(comparison)) if text]


def leader(comparison: Comparison) -> str:
    """The method with the highest mean, and from which others it is told apart."""
    best = comparison.ranked()[0]
    own = [pair for pair in comparison.pairs() if pair.first is best]
    mean = best.at("seconds", comparison.seconds).mean
    text = f"**{best.method.label}** has the highest mean accuracy, {mean:.3f}."
    if any(pair.difference.error is None for pair in own):
        return text + " With one seed there is no standard error, so no difference is shown."
    ahead = [f"{pair.second.method.label} ({gap(pair)})" for pair in own if pair.difference.is_resolved]
    equal = [f"{pair.second.method.label} ({gap(pair)})" for pair in own if not pair.difference.is_resolved]
    if ahead:
        text += f" It is more than two standard errors ahead of {listed(ahead)}."
    if equal:
        text += f" It is not told apart from {listed(equal)}."
    return text


def pairs(comparison: Comparison) -> str:
    """How many differences are resolved, how many by chance alone would be, and which are not."""
    found = [pair for pair in comparison.pairs() if pair.difference.p is not None]
    if not found:
        return ""
    resolved = [pair for pair in found if pair.difference.is_resolved]
    chance = sum(two_sided(2, pair.difference.freedom) for pair in found if pair.difference.freedom)
    firm = [pair for pair in found if pair.adjusted < LEVEL]
    text = (
        f"Of {plural(len(found), 'pair')} of methods, {len(resolved)} differ by more than two standard errors; if no "
        f"two methods differed, {chance:.1f} would be expected to. After Holm's correction for all pairs together, "
        f"{len(firm)} have p below {LEVEL:g}.")
    open_pairs = [
        f"{pair.first.method.label} and {pair.second.method.label}" for pair in found if not pair.difference.is_resolved
    ]
    if open_pairs:
        text += f" Not resolved: {'; '.join(open_pairs)}."
    return text


def tuning(comparison: Comparison) -> str:
    """The limits of the tuning, and whose best setting lies at the edge of its grid."""
    tuner = comparison.plan.tuner
    if not tuner.budget.tuning:
        return "No method was tuned."
    stages = [
        (f"{stage.settings} settings" if stage.settings else f"the best {stage.best}") + f" for {stage.seconds:g} s"
        for stage in tuner.budget.tuning
    ]
    text = (
        f"Every method was tuned alike: {', then '.join(stages)}, one seed each, by accuracy on validation prompts. A "
        "setting outside these grids, or another number of prompts and images an epoch, may be better for any of them.")
    edges = [
        f"{outcome.method.label} ({listed(keys)})"
        for outcome in comparison.outcomes if (keys := outcome.method.grid.edges(outcome.setting))
    ]
    if edges:
        text += f" The chosen value is the smallest or the largest that was tried for {listed(edges)}."
    return text


def limits(comparison: Comparison) -> str:
    """What no number here covers."""
    seeds = plural(comparison.plan.budget.final.seeds, "seed")
    return (
        f"The standard errors are over {seeds} of training with one set of held-out prompts and noises: they do not "
        "cover the choice of prompts. One task, one small model and one machine were measured. On a GPU, rollout, "
        "decoding and training take other shares of the time; the columns at equal NFE and equal images do not depend on "
        "the machine, and NFE counts the rollout's rows without the forward passes of training.")
