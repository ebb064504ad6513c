"""The page about reward hacking: the trained reward of each method beside the accuracy that it should stand for."""

from comparison import Comparison, Outcome
from estimates import estimate
from page import divergences, measured, number, settings, table
from records import has_diverged
from verdict import plural


def at(line: dict, name: str, place: int) -> float:
    """A figure of a run's curve: before training (0) or at its end (-1), which is that before where it diverged."""
    return line["curve"][name][0 if has_diverged(line) else place]


def rewards(outcome: Outcome, place: int) -> list[float]:
    """The trained reward on held-out prompts, of every seed: before training (0) or at the end (-1)."""
    return [at(line, "training_reward", place) for line in outcome.lines]


def gaps(outcome: Outcome, place: int) -> list[float]:
    """How far the trained reward is above strict accuracy, of every seed."""
    accuracy = [at(line, "mean", place) for line in outcome.lines]
    return [reward - strict for reward, strict in zip(rewards(outcome, place), accuracy, strict=True)]


def alarms(outcome: Outcome) -> str:
    """The epoch of each seed's alarm."""
    return ", ".join("none" if line["alarm_epoch"] is None else str(line["alarm_epoch"]) for line in outcome.lines)


def page(comparison: Comparison, command: str) -> str:
    """Markdown."""
    laboratory = comparison.plan.laboratory
    rows = []
    for outcome in comparison.outcomes:
        after = estimate([at(line, "mean", -1) for line in outcome.lines])
        rows.append([
            outcome.method.label, settings(outcome), str(len(outcome.lines)),
            number(estimate(rewards(outcome, 0))), number(estimate(rewards(outcome, -1))),
            number(outcome.before()), number(after),
            number(estimate(gaps(outcome, 0))), number(estimate(gaps(outcome, -1))), alarms(outcome),
        ])
    header = [
        "method", "setting", "seeds", "reward before", "after", "strict before", "after", "gap before", "after",
        "alarm, epoch",
    ]
    raised = sum(line["alarm_epoch"] is not None for line in comparison.lines)
    text = (
        f"{comparison.seconds:g} s of training on a reward that can be gamed; settings are those of the comparison of "
        "methods. Reward and strict accuracy are means over the held-out prompts, their gap is reward less accuracy; "
        "mean ± standard error over seeds. The alarm is that of `held_out_rewards`: strict accuracy has fallen from "
        "its highest value while the reward rose.")
    verdict = f"The alarm was raised in {raised} of {plural(len(comparison.lines), 'run')}." + divergences(comparison)
    verdict += comparison.remaining()
    return "\n\n".join([
        f"# {laboratory.title}", text, table(header, rows, left=2), verdict, measured(comparison, command),
    ]) + "\n"
