"""Counts what the verifier of the shapes task lets pass in images that it calls exact.

    .bench/bin/python Tools/verifier_limits.py IMAGES [PROMPTS]

IMAGES is a folder of `tempflow sample` with one image for each line of PROMPTS, by default the held-out prompts. Needs
numpy and Pillow; the verdicts are those of Examples/rewards/shapes_reward.py.
"""

import json
import sys
from pathlib import Path

import numpy
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Examples/rewards"))
import shapes_reward  # noqa: E402

FOREGROUND, MIDDLE = 100, 165 / 256
"""The verifier's: the level of a bright pixel, and the share of the largest channel above which a channel is on."""
FEW, SPECK = 6, 12
"""The verifier's: bright pixels that may lie outside of objects, and the area from which a region is an object."""


def near(mask, distance):
    """The pixels within a distance of those of a mask, along both axes."""
    padded = numpy.pad(mask, distance)
    height, width = mask.shape
    shifts = range(2 * distance + 1)
    return numpy.any([padded[y:y + height, x:x + width] for y in shifts for x in shifts], axis=0)


def findings(path):
    """Faint pixels away from objects, bright ones of a color that no object has, and the distance of the least clear
    channel of an object's mean color from the middle between off and on."""
    image = numpy.asarray(Image.open(path).convert("RGB")).astype(float)
    level = image.max(axis=2)
    bright = level >= FOREGROUND
    faint = numpy.count_nonzero((level >= 45) & ~near(bright, 2))
    shares = image[bright] / level[bright][:, None]
    codes = (shares > MIDDLE) @ [1, 2, 4]
    colors, counts = numpy.unique(codes, return_counts=True)
    strange = counts[counts < SPECK].sum()
    means = [shares[codes == color].mean(axis=0) for color in colors[counts >= SPECK]]
    return faint, strange, min(numpy.abs(mean - MIDDLE).min() for mean in means)


def main():
    folder = Path(sys.argv[1])
    prompts = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "Prompts/shapes/held-out.jsonl"
    paths = sorted(folder.glob("*.png"))
    lines = [json.loads(line) for line in prompts.read_text().splitlines()]
    if len(paths) != len(lines):
        raise SystemExit(f"{folder} has {len(paths)} images for {len(lines)} prompts")
    exact = [path for path, line in zip(paths, lines) if shapes_reward.judge(path.read_bytes(), line)[0] == 1]
    faint, strange, distance = map(numpy.array, zip(*map(findings, exact)))
    print(f"{len(exact)} of {len(paths)} images are exact. Of these")
    print(f"{numpy.count_nonzero(faint > FEW):4} have more than {FEW} pixels of a level of 45 to 99 away from objects")
    print(f"{numpy.count_nonzero(strange > FEW):4} have more than {FEW} bright pixels of a color that no object has")
    print(f"{numpy.count_nonzero(distance < 0.15):4} have a mean color within 0.15 of the middle between two")


if __name__ == "__main__":
    main()
