"""Draws docs/pictures/architecture.svg from the table of layers in docs/architecture.md.

    python3 Tools/architecture_picture.py
"""

import html
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH, ROW, BOX, GAP, LEFT = 980, 62, 40, 12, 70
STYLE = """
svg{background:#fff;font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.page{fill:#fff}.box{fill:#f5f7fa;stroke:#2360c5;stroke-width:1.4}.name{fill:#1c2430}
.layer{fill:#5a6675;font-size:12px}.rule{stroke:#dde3ea}
@media (prefers-color-scheme:dark){svg{background:#12161c}.page{fill:#12161c}
.box{fill:#1a2029;stroke:#78a9ff}.name{fill:#e7ecf3}.layer{fill:#a0acbb}.rule{stroke:#303945}}
"""


def layers():
    """Targets by layer, from the table's first two columns."""
    found = {}
    for line in (ROOT / "docs/architecture.md").read_text().splitlines():
        match = re.match(r"\| (\d+) \| ([^|]+) \|", line)
        if match:
            found.setdefault(int(match[1]), []).extend(re.findall(r"`([^`]+)`", match[2]))
    return found


def picture(found):
    height = ROW * len(found) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}"><title>The targets of the package in layers</title>'
        f"<desc>A target imports targets of lower layers.</desc><style>{STYLE}</style>"
        '<rect class="page" width="100%" height="100%"/>'
    ]
    for row, layer in enumerate(sorted(found, reverse=True)):
        top = 8 + row * ROW
        names = found[layer]
        width = min(190, (WIDTH - LEFT - GAP) / len(names) - GAP)
        parts.append(f'<text class="layer" x="12" y="{top + 25}">layer {layer}</text>')
        if row:
            parts.append(f'<line class="rule" x1="12" x2="{WIDTH - 12}" y1="{top - 11}" y2="{top - 11}"/>')
        for index, name in enumerate(names):
            x = LEFT + index * (width + GAP)
            parts.append(
                f'<rect class="box" x="{x:.0f}" y="{top}" width="{width:.0f}" height="{BOX}" rx="5"/>'
                f'<text class="name" x="{x + width / 2:.0f}" y="{top + 25}" text-anchor="middle">'
                f"{html.escape(name)}</text>"
            )
    return "\n".join(parts) + "</svg>\n"


if __name__ == "__main__":
    target = ROOT / "docs/pictures/architecture.svg"
    target.parent.mkdir(exist_ok=True)
    target.write_text(picture(layers()))
