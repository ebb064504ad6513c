"""Seconds of one iteration by phase, as stacked bars in one SVG file."""

import html

import report

WIDTH, LABEL, BAR, ROW, MARGIN = 760, 190, 20, 30, 16
PHASES = ("rollout", "decode", "reward", "training", "optimizer")
STYLE = """:root{color-scheme:light dark;--page:#fff;--ink:#1c2430;--muted:#5a6675;
--s0:#2360c5;--s1:#8b3db8;--s2:#8a6a00;--s3:#c4520a;--s4:#13805a}
@media (prefers-color-scheme:dark){:root{--page:#12161c;--ink:#e7ecf3;--muted:#a0acbb;
--s0:#78a9ff;--s1:#d59bf6;--s2:#e3c04d;--s3:#ff9d5c;--s4:#4fd0a0}}
svg{background:var(--page);font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
text{fill:var(--ink)}.quiet{fill:var(--muted)}.title{font-weight:600}"""


def _text(x, y, content, attributes=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{html.escape(content)}</text>'


def _bar(column, y, scale):
    """The phases of one program, and its seconds behind them."""
    parts = [_text(LABEL - 8, y + 14, column.name, 'text-anchor="end"')]
    x = LABEL
    for index, phase in enumerate(PHASES):
        width = column.phase(phase) * scale
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.2f}" height="{BAR}" fill="var(--s{index})">'
            f"<title>{column.name}, {phase}: {report.digits(column.phase(phase))} s</title></rect>")
        x += width
    parts.append(_text(x + 6, y + 14, f"{report.digits(column.phase('all'))} s", 'class="quiet"'))
    return parts


def _case(case, y):
    """A heading and a bar per program; returns the parts and where they end."""
    columns = [column for column in report.columns(case) if column.rounds]
    longest = max(column.phase("all") for column in columns)
    scale = (WIDTH - LABEL - MARGIN - 60) / longest
    parts = [_text(MARGIN, y + 12, case["title"], 'class="title"')]
    y += 24
    for column in columns:
        parts += _bar(column, y, scale)
        y += ROW
    return parts, y + 14


def draw(found):
    """The whole picture."""
    parts, y = [], MARGIN
    for case in found["cases"]:
        added, y = _case(case, y)
        parts += added
    x = LABEL
    for index, phase in enumerate(PHASES):
        name = report.PHASES[phase]
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="var(--s{index})"/>')
        parts.append(_text(x + 17, y + 10, name))
        x += 42 + 6.4 * len(name)
    height = y + 12 + MARGIN
    return "\n".join([
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        'aria-labelledby="speed-title" xmlns="http://www.w3.org/2000/svg">',
        '<title id="speed-title">Seconds of one iteration by phase</title>',
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" style="fill:var(--page)"/>', *parts, "</svg>\n",
    ])
