"""The chart of a comparison: mean accuracy over training time with standard errors, as an SVG file."""

from html import escape

from comparison import STATIONS, Comparison, Outcome

WIDTH, HEIGHT = 840, 380
LEFT, RIGHT, TOP, BOTTOM = 46, 520, 30, 340
"""The frame of the axes, in pixels; names are to the right of it."""
LINE = 21
"""Pixels from one name to the next."""

COLORS = [
    ("#2360c5", "#78a9ff"), ("#c4520a", "#ff9d5c"), ("#13805a", "#4fd0a0"), ("#8b3db8", "#d59bf6"),
    ("#8a6a00", "#e3c04d"), ("#5a6675", "#a0acbb"), ("#0b7a91", "#5cc8de"), ("#b8336a", "#f58ab5"),
    ("#7a4b2a", "#c79a78"), ("#3d4b8f", "#9fb0ff"),
    ("#4c7a12", "#a8d65c"), ("#b3261e", "#ff8a80"),
]
"""Of the methods, on a light and on a dark page."""
DASHES = ["none", "7 4", "2 4", "10 4 2 4", "4 3"]


def chart(comparison: Comparison) -> str:
    """One curve a method with its error bars; names and last values beside it, the highest first."""
    ranked = comparison.ranked()
    times = [comparison.seconds * station / STATIONS for station in range(STATIONS + 1)]
    curves = {outcome.method.name: [outcome.at("seconds", time) for time in times] for outcome in ranked}
    ends = [
        value for curve in curves.values() for point in curve
        for value in (point.mean - (point.error or 0), point.mean + (point.error or 0))
    ]
    low, high = int(min(ends) * 20) * 5, -int(-max(ends) * 20 // 1) * 5 or 5
    scale = Scale(comparison.seconds, low, max(high, low + 5))
    title = "Held-out accuracy at equal training time"
    described = "; ".join(f"{outcome.method.label} {curves[outcome.method.name][-1].mean:.3f}" for outcome in ranked)
    parts = [
        f'<svg class="picture" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'width="{WIDTH}" height="{HEIGHT}"><title>{title}</title>',
        f"<desc>After {comparison.seconds:g} s: {escape(described)}.</desc>", style(len(ranked)),
        '<rect class="page" width="100%" height="100%"/>', *axes(scale),
    ]
    order = {outcome.method.name: place for place, outcome in enumerate(comparison.outcomes)}
    for place, outcome in enumerate(ranked):
        number = order[outcome.method.name]
        parts += series(scale, curves[outcome.method.name], times, number, len(ranked))
        parts += name(outcome, curves[outcome.method.name][-1], number, TOP + 8 + LINE * place)
    return "\n".join([*parts, "</svg>"]) + "\n"


class Scale:
    """From seconds and accuracy to pixels."""

    def __init__(self, seconds: float, low: int, high: int):
        self.seconds, self.low, self.high = seconds, low, high
        self.unit = 60 if seconds >= 240 else 1

    def x(self, seconds: float) -> float:
        return LEFT + (RIGHT - LEFT) * seconds / self.seconds

    def y(self, accuracy: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (accuracy * 100 - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Seconds at whole units, at most ten of them."""
        whole = self.seconds / self.unit
        step = next(step for step in (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120) if whole / step <= 10)
        return [step * place * self.unit for place in range(int(whole / step + 1e-9) + 1)]


STYLE = """\
<style>:root{color-scheme:light dark;--page:#ffffff;--ink:#1c2430;--muted:#5a6675;--rule:#dde3ea;LIGHT}
@media (prefers-color-scheme:dark){:root{--page:#12161c;--ink:#e7ecf3;--muted:#a0acbb;--rule:#303945;DARK}}
.picture{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
.picture text{fill:var(--ink);font-variant-numeric:tabular-nums}
.picture .tick{fill:var(--muted);font-size:11px}
.page{fill:var(--page)}.grid{stroke:var(--rule)}.axis{stroke:var(--muted)}
.line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.error{stroke:currentColor;stroke-width:1.2;opacity:.7}.dot{fill:currentColor}
LINES</style>"""


def style(count: int) -> str:
    """Colors and dashes of so many methods, on a light and on a dark page."""
    light, dark = (
        "".join(f"--s{place}:{COLORS[place % len(COLORS)][side]};" for place in range(count)) for side in (0, 1))
    lines = "".join(
        f".s{place}{{color:var(--s{place})}}.s{place} .line{{stroke-dasharray:{DASHES[place % len(DASHES)]}}}\n"
        for place in range(count))
    return STYLE.replace("LIGHT", light).replace("DARK", dark).replace("LINES", lines.rstrip())


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"/>'


def text(kind: str, x: float, y: float, anchor: str, content: str) -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{escape(content)}</text>'


def axes(scale: Scale) -> list[str]:
    parts = []
    step = 5 if scale.high - scale.low <= 50 else 10
    for percent in range(scale.low, scale.high + 1, step):
        y = scale.y(percent / 100)
        parts += [line("grid", LEFT, y, RIGHT, y), text("tick", LEFT - 7, y + 4, "end", str(percent))]
    for seconds in scale.ticks():
        x = scale.x(seconds)
        parts.append(line("axis", x, BOTTOM, x, BOTTOM + 4))
        parts.append(text("tick", x, BOTTOM + 17, "middle", f"{seconds / scale.unit:g}"))
    unit = "minutes" if scale.unit == 60 else "seconds"
    return parts + [
        line("axis", LEFT, BOTTOM, RIGHT, BOTTOM), text("tick", 8, 16, "start", "accuracy, %"),
        text("tick", RIGHT, BOTTOM + 34, "end", f"{unit} of training"),
    ]


def series(scale: Scale, curve: list, times: list[float], number: int, count: int) -> list[str]:
    """A curve. Error bars of different methods are beside each other, so that all can be seen."""
    points = [(scale.x(time), scale.y(point.mean), point) for time, point in zip(times, curve, strict=True)]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y, _ in points)
    parts = [f'<g class="s{number}"><polyline class="line" points="{path}"/>']
    for x, y, point in points:
        parts.append(f'<circle class="dot" cx="{x:.2f}" cy="{y:.2f}" r="2.4"/>')
        if point.error:
            beside = x + (number - (count - 1) / 2) * 2
            low, high = scale.y(point.mean - point.error), scale.y(point.mean + point.error)
            parts.append(line("error", beside, low, beside, high))
    return parts + ["</g>"]


def name(outcome: Outcome, last, number: int, y: float) -> list[str]:
    value = f"{last.mean * 100:.1f}" + (f" ± {last.error * 100:.1f}" if last.error is not None else "")
    return [
        f'<g class="s{number}">' + line("line", RIGHT + 14, y - 4, RIGHT + 38, y - 4) + "</g>",
        text("key", RIGHT + 44, y, "start", f"{outcome.method.label}  {value}"),
    ]
