"""The built-in reward `shapes` in Python, with the standard library only and the same numbers, bit
for bit. docs/shapes.md has the rules; the built-in computes in 32-bit floats, so `f` rounds every
result.

    python3 ../../Tools/reward_server.py shapes_reward:score --port 8000
    rewards: [{name: http, label: shapes, urls: ["http://127.0.0.1:8000"]}]

or, as a child process, with `directory` this folder:

    command: [python3, ../../Tools/reward_server.py, "shapes_reward:score", --stdio]
"""
import ctypes
import ctypes.util
import struct
import zlib
from collections import Counter, namedtuple
from math import inf, sqrt

RGB = dict(red=(235, 55, 50), green=(60, 200, 75), blue=(65, 95, 245), yellow=(240, 215, 55),
           cyan=(60, 215, 225), magenta=(230, 65, 210), white=(240, 240, 240))
f = lambda value, pack=struct.Struct("f"): pack.unpack(pack.pack(value))[0]  # to 32 bits
PI = f(3.1415925)
# half width, half height, area in radii; the largest misfit of a clear shape
Shape = namedtuple("Shape", "half_width half_height area clear")
SHAPES = {name: Shape(*map(f, row)) for name, row in dict(
    circle=(1, 1, PI, 0.06), square=(0.9, 0.9, 3.24, 0.08), triangle=(1.08, 0.935, 2.0196, 0.1),
    cross=(1, 1, 2.3616, 0.1), ring=(1, 1, PI * 0.75, 0.13)).items()}
NAMES = [None, "red", "green", "yellow", "blue", "magenta", "cyan", "white"]  # by channels
Found = namedtuple("Found", "shape color misfits tone x y half_width half_height radius clear")
expf = ctypes.CDLL(ctypes.util.find_library("m")).expf
expf.restype, expf.argtypes = ctypes.c_float, [ctypes.c_float]
clamp = lambda value: min(max(value, 0.0), 1.0)


def pixels(png):
    """Width, height and the (red, green, blue) values of the pixels of an 8-bit RGB image."""
    place, data = 8, b""
    while place < len(png):
        size, kind = struct.unpack(">I4s", png[place:place + 8])
        chunk, place = png[place + 8:place + 8 + size], place + 12 + size
        if kind == b"IHDR":
            width, height = struct.unpack(">II", chunk[:8])
            assert chunk[8:] == b"\x08\x02\0\0\0", "an 8-bit RGB image"
        data += chunk if kind == b"IDAT" else b""
    rows, above, data = [], bytes(3 * width), zlib.decompress(data)
    for start in range(0, len(data), 3 * width + 1):
        method, row = data[start], bytearray(data[start + 1:start + 1 + 3 * width])
        for i, up in enumerate(above if method else b""):
            left, corner = (row[i - 3], above[i - 3]) if i > 2 else (0, 0)
            nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
            row[i] = row[i] + (0, left, up, (left + up) // 2, nearest)[method] & 255
        rows, above = rows + [row[i:i + 3] for i in range(0, 3 * width, 3)], row
    return width, height, rows


def findings(width, height, image):
    """The objects, the largest first, and the number of bright pixels that belong to none."""
    level = [max(pixel) for pixel in image]
    channels = [sum((c * 256 > top * 165) << i for i, c in enumerate(pixel)) if top >= 100 else 0
                for pixel, top in zip(image, level)]
    def square(p, reach):
        x, y = p % width, p // width
        return [row * width + column
                for row in range(max(0, y - reach), min(height, y + reach + 1))
                for column in range(max(0, x - reach), min(width, x + reach + 1))]

    near = [[q for q, is_there in ((p - 1, p % width > 0), (p + 1, p % width < width - 1),
                                   (p - width, p >= width), (p + width, p < width * (height - 1)))
             if is_there] for p in range(width * height)]
    region, members = [-1] * len(image), []
    for seed in range(len(image)):
        if channels[seed] and region[seed] < 0:
            region[seed], grown = len(members), [seed]
            for p in grown:
                for q in near[p]:
                    if channels[q] == channels[seed] and region[q] < 0:
                        region[q] = len(members)
                        grown.append(q)
            members.append(grown)
    objects = {number for number, grown in enumerate(members) if len(grown) >= 12}
    for _ in range(2):  # small regions join the object with the longest shared border
        for number, grown in enumerate(members):
            votes, best = Counter(), None
            touched = [q for p in grown for q in near[p]] if number not in objects else []
            for q in (q for q in touched if region[q] in objects):
                votes[region[q]] += 1
                best = region[q] if best is None or votes[region[q]] > votes[best] else best
            for p in grown if best is not None else ():
                region[p] = best
    clutter = sum(region[p] not in objects if region[p] >= 0 else level[p] >= 72 and not any(
        region[q] in objects for q in square(p, 2)) for p in range(len(image)))
    dark = [value for value in level if value < 72]
    ground = f(sum(dark) / len(dark)) if dark else 0.0

    def fit(number):
        columns, rows = zip(*((p % width, p // width) for p in members[number]))
        xs = range(max(0, min(columns) - 2), min(width - 1, max(columns) + 2) + 1)
        ys = range(max(0, min(rows) - 2), min(height - 1, max(rows) + 2) + 1)
        window = [y * width + x for y in ys for x in xs]
        own = [p for p in window if region[p] == number]
        inner = [p for p in own if all(region[q] == number for q in near[p])]
        inner = inner if len(inner) >= 4 else own
        mean = [f(sum(image[p][i] for p in inner) / len(inner)) for i in range(3)]
        tally = Counter(channels[p] for p in inner)
        share, top = f(max(tally[c] for c in range(1, 8)) / len(inner)), max(mean)
        span, cover, mass, mass_x, mass_y = max(f(top - ground), 1), {}, 0.0, 0.0, 0.0
        for p in window:
            if region[p] == number or region[p] < 0 and any(
                    region[q] == number for q in square(p, 1)):
                part = clamp(f(f(level[p] - ground) / span))
                if part >= f(0.08):
                    cover[p], mass = part, f(mass + part)
                    mass_x = f(mass_x + f(part * (p % width + 0.5)))
                    mass_y = f(mass_y + f(part * (p // width + 0.5)))

        def place(name):
            radius = f(sqrt(f(mass / SHAPES[name].area)))
            drop = f(f(SHAPES[name].half_height / 3) * radius) if name == "triangle" else 0
            return radius, f(mass_x / mass), f(f(mass_y / mass) - drop)

        def misfit(name):
            radius, center_x, center_y = place(name)
            distance = DISTANCES[name](radius)
            difference = square = 0.0
            for p in window:
                gap = distance(f(p % width + 0.5 - center_x), f(p // width + 0.5 - center_y))
                drawn = clamp(f(0.5 - f(gap * f(0.8))))
                error = f(drawn - cover.get(p, 0.0))
                difference, square = f(difference + f(error * error)), f(square + f(drawn * drawn))
            return f(difference / max(square, 1))

        misfits = {name: misfit(name) for name in SHAPES}
        (name, best), (_, second) = sorted(misfits.items(), key=lambda item: item[1])[:2]
        radius, x, y = place(name)
        tone = [f(value / max(top, 1)) for value in mean]
        clear = (best <= SHAPES[name].clear and best <= f(f(0.6) * second)
                 and f(3.8) <= radius <= f(8.2) and top >= 140 and share >= 0.75
                 and min(f(abs(value - 165 / 256)) for value in tone) >= f(0.09))
        return Found(
            name, NAMES[max(range(1, 8), key=lambda c: tally[c])], misfits, tone, x, y,
            f(SHAPES[name].half_width * radius), f(SHAPES[name].half_height * radius), radius,
            clear)

    return [fit(n) for n in sorted(objects, key=lambda n: -len(members[n]))], clutter


def ring_or_circle(hole):
    def shape(radius):
        def distance(x, y):
            length = f(sqrt(f(f(x * x) + f(y * y))))
            return max(f(length - radius), f(f(hole * radius) - length) if hole else -inf)
        return distance
    return shape


def triangle(radius):
    base, half = f(f(1.08) * radius), f(f(0.935) * radius)
    length = f(sqrt(f(f(base * base) + f(f(4 * half) * half))))
    return lambda x, y: max(
        f(y - half), f(f(f(f(2 * half) * abs(x)) - f(base * f(y + half))) / length))


def cross(radius):
    thin = f(f(0.36) * radius)
    return lambda x, y: min(max(f(abs(x) - radius), f(abs(y) - thin)),
                            max(f(abs(x) - thin), f(abs(y) - radius)))


def square(radius):
    return lambda x, y: f(max(abs(x), abs(y)) - f(f(0.9) * radius))


DISTANCES = dict(circle=ring_or_circle(0), square=square, triangle=triangle, cross=cross,
                 ring=ring_or_circle(0.5))


def likeness_of_shape(found, name):
    weights = {shape: expf(f(-misfit / f(0.03))) for shape, misfit in found.misfits.items()}
    total = 0.0
    for weight in weights.values():
        total = f(total + weight)
    beyond = max(f(f(3.8) - found.radius), f(found.radius - f(8.2)), 0)
    own = f(weights[name] * max(0, f(1 - f(found.misfits[name] / f(0.4)))))
    return f(f(own / total) * max(0, f(1 - f(beyond / 4)))) if total > 0 else 0.0


def likeness_of_color(found, name):
    distance = max(abs(f(tone - f(value / max(RGB[name]))))
                   for tone, value in zip(found.tone, RGB[name]))
    return clamp(f(1 - f(f(distance - f(0.15)) / f(0.5))))


def strength(relation, subject, reference):
    """How clearly the relation between subject and reference holds, -1...1."""
    dx, dy = f(subject.x - reference.x), f(subject.y - reference.y)
    length = f(sqrt(f(f(dx * dx) + f(dy * dy))))
    if length < f(1e-3):
        return 0.0
    offset, extent = (dx, f(subject.half_width + reference.half_width)) if relation.endswith("of") \
        else (dy, f(subject.half_height + reference.half_height))
    rest = max(f(abs(offset) - f(f(f(0.1) * 2) * extent)), 0)
    return f((rest if (offset > 0) == (relation in ("right of", "below")) else -rest) / length)


def best(slots, relations, credits, count, credit_of_relation):
    """The largest mean credit when every object fills at most one slot."""
    top, chosen = 0.0, [None] * len(slots)

    def descend(slot, total):
        nonlocal top
        if slot == len(slots):
            for relation, subject, reference in relations:
                if chosen[subject] is not None and chosen[reference] is not None:
                    total = f(total + credit_of_relation(relation, subject, reference, chosen))
            top = max(top, total)
        elif f(total + (len(slots) - slot + len(relations))) > top:
            for number in range(count):
                if number not in chosen[:slot]:
                    chosen[slot] = number
                    descend(slot + 1, f(total + credits[slot][number]))
            chosen[slot] = None
            descend(slot + 1, total)

    descend(0, 0.0)
    return f(top / (len(slots) + len(relations)))


def judge(png, metadata):
    """Strict (0 or 1) and partial credit (0...1) of an image for a prompt in GenEval's format."""
    objects, clutter = findings(*pixels(png))
    owners = [i for i, entry in enumerate(metadata["include"]) for _ in range(entry["count"])]
    slots = [metadata["include"][i] for i in owners]
    relations = [(slot["position"][0], subject, reference) for subject, slot in enumerate(slots)
                 if slot.get("position") for reference, owner in enumerate(owners)
                 if owner == slot["position"][1]]
    shapes = [found.shape for found in objects]

    def holds(relation, subject, reference, chosen):
        return strength(relation, objects[chosen[subject]], objects[chosen[reference]])

    if (len(objects) == len(slots) and clutter <= 6 and all(found.clear for found in objects)
            and all(shapes.count(limit["class"]) < limit["count"]
                    for limit in metadata.get("exclude") or [])):
        right = [[float(found.shape == slot["class"] and slot.get("color") in (None, found.color))
                  for found in objects] for slot in slots]
        if best(slots, relations, right, len(objects), lambda *those: holds(*those) > 0.5) == 1:
            return 1.0, 1.0

    def credit(found, slot):
        shape = likeness_of_shape(found, slot["class"])
        if not slot.get("color"):
            return f(f(0.2) + f(f(0.8) * shape))
        color = likeness_of_color(found, slot["color"])
        sum_of_both = f(f(f(0.2) + f(f(0.3) * shape)) + f(f(0.2) * color))
        return f(sum_of_both + f(f(f(0.3) * shape) * color))

    near = objects[:6]
    credits = [[credit(found, slot) for found in near] for slot in slots]

    def credit_of_relation(relation, subject, reference, chosen):
        place = clamp(f(holds(relation, subject, reference, chosen) + 0.5))
        first, second = credits[subject][chosen[subject]], credits[reference][chosen[reference]]
        return f(f(place * first) * second)

    surplus = f(len(slots) / max(len(slots), len(objects)))
    whole = f(best(slots, relations, credits, len(near), credit_of_relation) * surplus)
    return 0.0, f(f(0.8) * f(whole / f(1 + f(clutter / 60))))


def score(samples):
    judged = [judge(sample["png"], sample["metadata"]) for sample in samples]
    return {"scores": [partial for _, partial in judged],
            "parts": {"strict": [strict for strict, _ in judged]}}
