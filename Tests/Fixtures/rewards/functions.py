"""Functions for `Tools/reward_server.py`, for tests."""

calls = 0


def length(samples):
    print("this is no answer")
    lengths = [len(sample["prompt"]) for sample in samples]
    assert all(sample["png"].startswith(b"\x89PNG") for sample in samples)
    if 4 in lengths:
        raise ValueError("I cannot count to four")
    scores = [float("nan") if length == 5 else length for length in lengths]
    return {"scores": scores, "parts": {"double": [2 * score for score in scores]}}


def widths(samples):
    """The widths of the sources as digits, the first source last; as a part, the width of the image."""
    def width(png):
        assert png.startswith(b"\x89PNG")
        return int.from_bytes(png[16:20], "big")

    scores = [sum(10**k * width(png) for k, png in enumerate(sample["sources"])) for sample in samples]
    return {"scores": scores, "parts": {"image": [width(sample["png"]) for sample in samples]}}


def count(samples):
    global calls
    calls += 1
    return [calls] * len(samples)
