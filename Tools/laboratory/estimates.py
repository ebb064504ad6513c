"""Means, standard errors and differences over seeds."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its standard error, which one seed does not have."""

    mean: float
    error: float | None
    count: int


@dataclass(frozen=True)
class Difference:
    """The difference of two means: Welch's standard error, degrees of freedom and two-sided p-value."""

    value: float
    error: float | None
    freedom: float | None
    p: float | None

    @property
    def is_resolved(self) -> bool:
        """Whether it is larger than two standard errors."""
        return self.error is not None and abs(self.value) > 2 * self.error


def estimate(values: list[float]) -> Estimate:
    """The mean of at least one value; the sample's deviation (n - 1) over the root of n."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return Estimate(mean, None, count)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Estimate(mean, math.sqrt(variance / count), count)


def welch(first: list[float], second: list[float]) -> Difference:
    """The mean of the first less that of the second, whose variances may differ (Welch, 1947)."""
    one, other = estimate(first), estimate(second)
    value = one.mean - other.mean
    if one.error is None or other.error is None:
        return Difference(value, None, None, None)
    parts = [(one.error**2, one.count - 1), (other.error**2, other.count - 1)]
    total = sum(part for part, _ in parts)
    if total == 0:
        return Difference(value, 0.0, None, 1.0 if value == 0 else 0.0)
    freedom = total**2 / sum(part**2 / count for part, count in parts)
    error = math.sqrt(total)
    return Difference(value, error, freedom, two_sided(value / error, freedom))


def two_sided(t: float, freedom: float) -> float:
    """The probability that |t| of Student's distribution is at least this large."""
    return incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b) by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    scale = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(1 - x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            value *= c * d
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return scale * value


def holm(values: list[float]) -> list[float]:
    """P-values of several tests, adjusted so that all of them together err with the stated probability (Holm, 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def interpolate(xs: list[float], ys: list[float], x: float) -> float | None:
    """The value at x on the straight line between the points around it; None outside of them. `xs` rise."""
    for place, right in enumerate(xs):
        if right < x:
            continue
        if right == x:
            return ys[place]
        if place == 0:
            return None
        left = xs[place - 1]
        return ys[place - 1] + (x - left) / (right - left) * (ys[place] - ys[place - 1])
    return None
