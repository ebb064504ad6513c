"""The tables of docs/results/speed.md and its siblings, and their charts, from measured numbers."""

from statistics import median

import chart

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PHASES = {
    "rollout": "rollout", "decode": "decode", "reward": "waiting for rewards",
    "training": "training", "optimizer": "optimizer", "all": "whole iteration",
}
SKELETON = f"""# Speed, beside the Python stack

One whole iteration of training, by `tempflow` and by programs in Python that compute the same;
[Benchmarks/README.md](../../Benchmarks/README.md) describes them.

{BEGIN}
{END}
"""


class Column:
    """One program's numbers in a case."""

    def __init__(self, name, result, work):
        self.name, self.work = name, work
        self.rounds, self.error = result["rounds"], result.get("error")

    def phase(self, name):
        """Seconds: the median over rounds of the median over epochs."""
        return median(self._of_round(result, name) for result in self.rounds)

    @staticmethod
    def _of_round(result, name):
        return median(epoch[name] for epoch in result["epochs"])

    def ratios(self, other, name):
        """How many times the other's seconds this took, round by round."""
        return [
            self._of_round(mine, name) / self._of_round(theirs, name)
            for mine, theirs in zip(self.rounds, other.rounds)
        ]

    @property
    def evaluations_per_second(self):
        return self.rounds[0]["evaluations_per_epoch"] / self.phase("rollout")

    @property
    def gemm(self):
        """FLOP/s of a matrix product, measured in the same processes."""
        return median(result["gemm_flops_per_second"] for result in self.rounds)

    @property
    def rate(self):
        """Needed FLOP/s in the transformer."""
        return sum(self.work.values()) / (self.phase("rollout") + self.phase("training"))

    @property
    def share(self):
        """Of the matrix product's rate, process by process."""
        return median(
            sum(self.work.values()) / result["gemm_flops_per_second"]
            / (self._of_round(result, "rollout") + self._of_round(result, "training"))
            for result in self.rounds)

    @property
    def memory(self):
        peaks = [r["peak_memory_bytes"] for r in self.rounds if r.get("peak_memory_bytes")]
        return f"{max(peaks) / 1e9:.2f}" if peaks else ""


def columns(case):
    return [Column(name, result, case["work"]) for name, result in case["programs"].items()]


def digits(value):
    """Three digits at least, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _span(values):
    """A median, with the extremes if there are several."""
    text = f"{median(values):.2f}"
    return text if len(values) == 1 else f"{text} ({min(values):.2f} to {max(values):.2f})"


def _first(case):
    """Of tempflow's results."""
    return case["programs"]["tempflow"]["rounds"][0]


def _on_cuda(case):
    return _first(case)["device"] != "cpu"


def _unit(case):
    """Of operations, in a size that the device's numbers are read well in."""
    return ("TFLOP", 1e12) if _on_cuda(case) else ("GFLOP", 1e9)


def _table(case):
    found = [column for column in columns(case) if column.rounds]
    ours = found[0]
    rows = [["", *(column.name for column in found)], ["---", *("---:" for _ in found)]]

    def row(title, value):
        rows.append([title, *map(value, found)])

    for name, title in PHASES.items():
        row(f"{title}, s", lambda c: digits(c.phase(name)))
    for name, title in (("all", "whole"), ("rollout", "rollout"), ("training", "training")):
        row(f"{title}, times tempflow's",
            lambda c: "1" if c is ours else _span(c.ratios(ours, name)))
    row("NFE per second", lambda c: digits(c.evaluations_per_second))
    unit, size = _unit(case)
    side = ours.rounds[0]["gemm_side"]
    row(f"needed {unit}/s in the transformer", lambda c: digits(c.rate / size))
    row(f"matrix product of {side}^3, {unit}/s", lambda c: f"{c.gemm / size:.0f}")
    row("share of it in the transformer", lambda c: f"{100 * c.share:.0f} %")
    row("most device memory, GB" if _on_cuda(case) else "most memory, GB", lambda c: c.memory)
    row("rounds x epochs", lambda c: f"{len(c.rounds)} x {len(c.rounds[0]['epochs'])}")
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    lines += [f"\n{c.name} failed: {c.error}" for c in columns(case) if c.error]
    return "\n".join(lines)


def tables(found):
    """Markdown."""
    threads = _first(found["cases"][0])["threads"]
    gpu = f"{found['gpu']}; " if _on_cuda(found["cases"][0]) else ""
    parts = [
        f"    {found['command']}\n",
        f"Machine: {gpu}{found['machine']}; {threads} threads; {found['date']}. "
        "Medians over rounds; ratios round by round, with their extremes.",
    ]
    for case in found["cases"]:
        unit, size = _unit(case)
        rollout, training = (digits(case["work"][name] / size) for name in ("rollout", "training"))
        evaluations = _first(case)["evaluations_per_epoch"]
        parts += [
            f"\n## {case['title']}\n",
            f"`Benchmarks/{case['recipe']}.yaml`: {evaluations} evaluations of a rollout, which "
            f"need {rollout} {unit}, and {training} {unit} of training.\n",
            _table(case),
        ]
    return "\n".join(parts)


def pages(found):
    """{name: what stands on that page}: CUDA devices, FLUX and Qwen-Image have their own."""
    cases = {}
    for case in found["cases"]:
        # Earlier files name no page.
        page = case.get("page", "speed-cuda" if _on_cuda(case) else "speed")
        cases.setdefault(page, []).append(case)
    return {name: {**found, "cases": some} for name, some in cases.items()}


def write(found, folder, name):
    """Puts the tables between the marks of a page, whose other text stays; draws its chart."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{name}.md"
    text = page.read_text() if page.exists() else SKELETON
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    picture = f"![Seconds of one iteration by phase]({name}.svg)"
    page.write_text(f"{before}{BEGIN}\n{tables(found)}\n\n{picture}\n{END}{after}")
    (folder / f"{name}.svg").write_text(chart.draw(found))
