"""Where the time of a run of many processes goes: a simulation with `tempflow plan`'s arithmetic.

    tempflow plan Recipes/shapes.yaml --processes 8 --json > plan-8.json
    python3 Tools/scaling_simulation.py plan-8.json --timings runs/shapes/timings.jsonl \\
        --metrics runs/shapes/metrics.jsonl

Each argument is the plan of one number of processes. The seconds of one evaluation, one training sample, one decoded
image and one reward come from a run's timings, from options, or from `--teraflops` and the plan's operations. Every
draw comes from `--seed`. The output is a Markdown table of means over epochs, in seconds of an average rank:

- rollout (with decoding), rewards (scoring after the rank's own rollout; before its end, denoising hides it), updates,
  communication (bytes over bandwidth, and latency), and waiting for the slowest;
- four ways of dividing the work: training samples stay on the rank that rolled their trunk out, or those with an
  advantage are dealt in whole micro-batches of all ranks together, as training does; images are scored where they were
  made, or by any rank that is free. On a GPU every micro-batch takes the time of a full one.

A rank is slower or faster for a whole phase, by a lognormal factor with mean 1 and the spread `--rank-cv`; single items
differ by `--item-cv`, which hardly shows in a phase of many. Rewards are drawn one by one, with `--reward-tail` from a
Pareto distribution of that shape. Scoring beside denoising takes nothing from it.
"""

import argparse
import heapq
import json
import math
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path


CHUNK_PARAMETERS = 4 << 20
"""Parameters whose gradients training adds together, at least."""


@dataclass
class Costs:
    """Mean seconds of one item."""

    evaluation: float
    """A row of the network without gradients."""
    sample: float
    """A training sample: its rows with gradients, and the reference's."""
    decode: float
    reward: float


def records(path: str) -> list[dict]:
    """The epochs of a run's log."""
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [line for line in lines if line["kind"] == "epoch"]


def variation(values: list[float]) -> float:
    """Standard deviation over mean."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) / mean


def measured(timings: str, metrics: str, skip_first: int) -> tuple[Costs, float, float]:
    """Costs, variation from epoch to epoch, and the share of skipped samples of a run."""
    pairs = list(zip(records(timings), records(metrics), strict=True))[skip_first:]
    if not pairs:
        raise SystemExit(f"{timings} has no epoch after the first {skip_first}")

    def mean(amount) -> float:
        return sum(amount(*pair) for pair in pairs) / len(pairs)

    def trained(_: dict, metric: dict) -> int:
        return metric["training_samples"] - metric["training_samples_skipped"]

    costs = Costs(
        evaluation=mean(lambda t, _: t["rollout_seconds"]) / mean(lambda _, m: m["nfe"]),
        sample=mean(lambda t, _: t["update_seconds"]) / mean(trained),
        decode=mean(lambda t, _: t["decode_seconds"]) / mean(lambda _, m: m["images"]),
        reward=mean(lambda t, _: t["scoring_seconds"]) / mean(lambda _, m: m["images"]),
    )
    spread = variation([t["rollout_seconds"] / m["nfe"] for t, m in pairs])
    skipped = mean(lambda _, m: m["training_samples_skipped"]) / mean(lambda _, m: m["training_samples"])
    return costs, spread, skipped


def share(index: int, parts: int, count: int) -> int:
    """Items of part `index` of `count` items in `parts` nearly equal parts."""
    return count * (index + 1) // parts - count * index // parts


class Simulation:
    """The epochs of one plan."""

    def __init__(self, plan: dict, costs: Costs, options: argparse.Namespace, skipped: float, rank_cv: float):
        self.processes = plan["processes"]
        self.ranks = self.processes["ranks"]
        self.count = self.processes["count"]
        self.plan, self.costs, self.options = plan, costs, options
        self.skipped, self.rank_cv = skipped, rank_cv
        self.updates = plan["first_epoch"]["updates"]
        self.micro_batch = self.processes["micro_batch"]
        self.is_padded = self.processes["device"] != "cpu"
        self.random = random.Random(f"{options.seed} {self.count}")
        self.owners = self.trunk_owners()
        self.scorers = [1.0] * self.count
        """How slow the scoring of each rank is in the epoch being drawn."""

    def trunk_owners(self) -> list[int]:
        """The lowest rank with a column of each trunk."""
        trunks = self.plan["trunks_per_epoch"]
        branches = self.processes["columns"] // trunks
        owners, first = [-1] * trunks, 0
        for rank, work in enumerate(self.ranks):
            for trunk in range(first // branches, -(-(first + work["columns"]) // branches)):
                if owners[trunk] < 0:
                    owners[trunk] = rank
            first += work["columns"]
        return owners

    def factor(self) -> float:
        """How slow a rank is in one phase; 1 on average."""
        return self.lognormal(self.rank_cv)

    def lognormal(self, cv: float) -> float:
        sigma2 = math.log(1 + cv * cv)
        return math.exp(self.random.gauss(-sigma2 / 2, math.sqrt(sigma2))) if cv > 0 else 1.0

    def total(self, items: int, mean: float) -> float:
        """Seconds of `items` items one after the other."""
        if items == 0 or mean == 0:
            return 0.0
        return items * mean * self.lognormal(self.options.item_cv / math.sqrt(items))

    def reward(self) -> float:
        """Seconds of one reward."""
        shape = self.options.reward_tail
        if shape:
            return self.costs.reward * (shape - 1) / shape * self.random.paretovariate(shape)
        return self.costs.reward * self.lognormal(self.options.item_cv)

    def epoch(self) -> dict:
        """What happens in an epoch, drawn once, so that every division meets the same."""
        batches = self.options.rollout_batches
        rollout, images = [], []
        self.scorers = [self.factor() for _ in self.ranks]
        self.scorers[0] *= self.options.slow_scorer
        for rank, work in enumerate(self.ranks):
            factor, clock = self.factor(), 0.0
            for batch in range(batches):
                count = share(batch, batches, work["images"])
                clock += factor * (
                    self.total(share(batch, batches, work["rollout_nfe"]), self.costs.evaluation)
                    + self.total(count, self.costs.decode)
                )
                images += [(clock, self.reward(), rank) for _ in range(count)]
            rollout.append(clock)
        return {
            "rollout": rollout,
            "scoring": {
                "own rank": self.scored_at_home(images, rollout),
                "any rank": self.scored(sorted(images), list(range(self.count)), rollout),
            },
            "active": self.active(),
            "slowness": [
                [self.factor() for _ in self.ranks]
                for _ in range(self.updates)
            ],
        }

    def scored_at_home(self, images: list, rollout: list[float]) -> tuple[float, float]:
        """`scored` with each rank's images on its own workers."""
        own = [[] for _ in self.ranks]
        for image in images:
            own[image[2]].append(image)
        results = [self.scored(images, [rank], rollout) for rank, images in enumerate(own)]
        return max(end for end, _ in results), sum(busy for _, busy in results)

    def scored(self, images: list, ranks: list[int], rollout: list[float]) -> tuple[float, float]:
        """The time of the last score, and the seconds that `ranks` score after their own rollouts, both of images in
        the order of being ready, each of which goes to the first free worker."""
        workers = self.options.reward_workers
        free = [(0.0, rank) for rank in ranks for _ in range(workers)]
        heapq.heapify(free)
        last, busy = max(rollout[rank] for rank in ranks), 0.0
        for ready, seconds, _ in images:
            begin, rank = free[0]
            begin = max(begin, ready)
            end = begin + seconds * self.scorers[rank]
            heapq.heapreplace(free, (end, rank))
            busy += max(0.0, end - max(begin, rollout[rank])) / workers
            last = max(last, end)
        return last, busy

    def active(self) -> list[list[int]]:
        """Samples with an advantage, by rank that owns their trunk and by update."""
        counts = [[0] * self.updates for _ in self.ranks]
        steps = self.plan["training_samples_per_epoch"] // len(self.owners)
        trunks_per_prompt = len(self.owners) // self.plan["prompts_per_epoch"]
        easy, position = False, [0] * self.count
        for trunk, owner in enumerate(self.owners):
            if trunk % trunks_per_prompt == 0:
                easy = self.random.random() < self.skipped
            for _ in range(steps):
                together = self.random.random() < self.options.skip_together
                skips = easy if together else self.random.random() < self.skipped
                # A rank deals its samples to the updates in turns.
                counts[owner][position[owner] % self.updates] += not skips
                position[owner] += 1
        return counts

    def trained(self, active: list[list[int]], update: int, is_dealt: bool) -> list[int]:
        """Samples that each rank computes in one update, with padding."""
        counts = [rank[update] for rank in active]
        if not is_dealt:
            most = -(-self.plan["samples_per_update"] // self.count)
            size = -(-most // -(-most // self.micro_batch))
            return [sum(self.passes(count, size)) for count in counts]
        passes = self.passes(sum(counts), self.micro_batch)
        ends = [len(passes) * rank // self.count for rank in range(self.count + 1)]
        return [sum(passes[begin:end]) for begin, end in zip(ends, ends[1:])]

    def passes(self, count: int, size: int) -> list[int]:
        """Samples in each of the fewest passes of at most `size` samples."""
        parts = -(-count // size)
        return [size if self.is_padded else share(part, parts, count) for part in range(parts)]

    def run(self, is_dealt: bool, reward: str, epochs: list[dict]) -> dict:
        """Mean seconds of an average rank in each part of an epoch."""
        sums = dict.fromkeys(["rollout", "rewards", "updates", "communication", "waiting", "whole"], 0.0)
        sent = self.processes["sent_bytes"]
        bandwidth, latency = self.options.gigabits * 1e9 / 8, self.options.latency
        # The counts of gradients are summed, then every chunk of parameters is exchanged and gathered.
        chunks = -(-self.plan["trainable_parameters"] // CHUNK_PARAMETERS)
        reduce = sent["gradients_per_update"] / bandwidth + 2 * (self.count - 1) * (1 + chunks) * latency
        once = sent["records_per_epoch"] / bandwidth + (self.count - 1) * latency
        if is_dealt:
            once += sent["samples_per_epoch"] / bandwidth + (self.count - 1) * latency
        for epoch in epochs:
            clock, scoring = epoch["scoring"][reward]
            sums["rollout"] += sum(epoch["rollout"]) / self.count
            sums["rewards"] += scoring / self.count
            for update in range(self.updates):
                counts = self.trained(epoch["active"], update, is_dealt)
                seconds = [
                    count * self.costs.sample * slowness
                    for count, slowness in zip(counts, epoch["slowness"][update], strict=True)
                ]
                clock += max(seconds)
                sums["updates"] += sum(seconds) / self.count
            communication = once + self.updates * reduce
            sums["communication"] += communication
            sums["whole"] += clock + communication
        means = {name: value / len(epochs) for name, value in sums.items()}
        parts = sum(means[name] for name in ["rollout", "rewards", "updates", "communication"])
        means["waiting"] = means["whole"] - parts
        return means


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plans", nargs="+", help="output of `tempflow plan --processes N --json`")
    parser.add_argument("--timings", help="timings.jsonl of a run, for the mean seconds and --rank-cv")
    parser.add_argument("--metrics", help="metrics.jsonl of the same run")
    parser.add_argument("--skip-first", type=int, default=1, help="epochs of the run that only warm up (1)")
    parser.add_argument("--teraflops", type=float, help="TFLOP/s of one GPU, with the plan's operations")
    parser.add_argument("--evaluation", type=float, help="seconds of a row of the network")
    parser.add_argument("--sample", type=float, help="seconds of a training sample")
    parser.add_argument("--decode", type=float, help="seconds of decoding one image (0)")
    parser.add_argument("--reward", type=float, help="seconds of scoring one image (0)")
    parser.add_argument("--rank-cv", type=float, help="spread of ranks in one phase: deviation over mean")
    parser.add_argument("--item-cv", type=float, default=0.05, help="spread of items: deviation over mean (0.05)")
    parser.add_argument("--reward-tail", type=float, help="shape of a Pareto distribution for rewards, above 1")
    parser.add_argument("--reward-workers", type=int, default=1, help="rewards that a rank scores at once (1)")
    parser.add_argument("--slow-scorer", type=float, default=1, help="how slow rank 0's scoring is (1)")
    parser.add_argument("--rollout-batches", type=int, default=1, help="rollout batches of a rank (1)")
    parser.add_argument("--skipped", type=float, help="share of samples whose advantages are all 0 (0)")
    parser.add_argument("--skip-together", type=float, default=0.5,
                        help="share of the samples that are skipped with their whole prompt (0.5)")
    parser.add_argument("--gigabits", type=float, default=100, help="Gbit/s of a rank (100)")
    parser.add_argument("--latency", type=float, default=2e-5, help="seconds of a message (2e-5)")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def costs(plan: dict, arguments: argparse.Namespace, known: Costs | None) -> Costs:
    """The mean seconds: options first, then a run's, then the plan's operations."""
    found = replace(known or Costs(0, 0, 0, 0))
    if arguments.teraflops:
        processes, first = plan["processes"], plan["first_epoch"]
        rate = arguments.teraflops * 1e12
        found.evaluation = processes["flops_per_evaluation"] / rate
        samples = plan["training_samples_per_epoch"]
        found.sample = (
            processes["flops_per_training_sample"] * first["learning_nfe"]
            + processes["flops_per_evaluation"] * first["reference_nfe"]
        ) / samples / rate
    for name in ["evaluation", "sample", "decode", "reward"]:
        if getattr(arguments, name) is not None:
            setattr(found, name, getattr(arguments, name))
    if found.evaluation <= 0 or found.sample <= 0:
        raise SystemExit("the seconds are missing: --timings and --metrics, --teraflops, or --evaluation and --sample")
    return found


def main() -> None:
    arguments = options()
    known, spread, skipped = None, 0.05, 0.0
    if arguments.timings:
        if not arguments.metrics:
            raise SystemExit("--timings needs --metrics, which counts what took the time")
        known, spread, skipped = measured(arguments.timings, arguments.metrics, arguments.skip_first)
    spread = spread if arguments.rank_cv is None else arguments.rank_cv
    skipped = skipped if arguments.skipped is None else arguments.skipped
    columns = ["rollout", "rewards", "updates", "communication", "waiting", "whole"]
    rows = []
    for path in arguments.plans:
        plan = json.loads(Path(path).read_text())
        if not plan.get("processes"):
            raise SystemExit(f"{path} is the plan of one process; `tempflow plan --processes N --json` writes another")
        used = costs(plan, arguments, known)
        simulation = Simulation(plan, used, arguments, skipped, spread)
        epochs = [simulation.epoch() for _ in range(arguments.epochs)]
        for is_dealt in [False, True]:
            for reward in ["own rank", "any rank"]:
                means = simulation.run(is_dealt, reward, epochs)
                rows.append(
                    [str(simulation.count), "dealt" if is_dealt else "own trunks", reward]
                    + [f"{means[name]:.4g}" for name in columns]
                    + [f"{100 * means['waiting'] / means['whole']:.1f} %"]
                )
        print(
            f"{simulation.count} processes: {used.evaluation:.4g} s an evaluation, {used.sample:.4g} s a training "
            f"sample, {used.decode:.4g} s a decoded image, {used.reward:.4g} s a reward; spread of ranks {spread:.3g}, "
            f"of items {arguments.item_cv:.3g}; {100 * skipped:.3g} % of samples skipped; "
            f"{arguments.gigabits:g} Gbit/s",
            file=sys.stderr,
        )
    header = ["processes", "training samples", "rewards on"] + columns + ["share waiting"]
    print("| " + " | ".join(header) + " |")
    print("|---:|---|---|" + "---:|" * (len(header) - 3))
    for row in rows:
        print("| " + " | ".join(row) + " |")


main()
