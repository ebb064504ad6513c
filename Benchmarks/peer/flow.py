"""One step of the flow, deterministic or stochastic, and the log-probability of the latter."""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Step:
    """From sigma to next_sigma: mean = A x + b v, with noise of deviation w."""

    sigma: float
    next_sigma: float
    a: float
    b: float
    w: float

    def ode(self, x, velocity):
        return x + (self.next_sigma - self.sigma) * velocity

    def mean(self, x, velocity):
        return self.a * x + self.b * velocity


def steps(sigmas, noise_level):
    """The steps between sigmas, which fall from 1 to 0."""
    result = []
    for sigma, following in zip(sigmas, sigmas[1:]):
        dt = following - sigma
        finite = sigmas[1] if sigma == 1 else sigma
        variance = noise_level**2 * sigma / (1 - finite)
        result.append(
            Step(
                sigma=sigma, next_sigma=following,
                a=1 + variance * dt / (2 * sigma),
                b=(1 + variance * (1 - sigma) / (2 * sigma)) * dt,
                w=math.sqrt(variance * -dt),
            )
        )
    return result


def log_probability(x, mean, w):
    """Of x under a normal of this mean and deviation: a mean over each sample's elements.

    x [..., C, h, w'], w broadcasts against [...] -> [...]
    """
    squares = (x - mean).square().flatten(-3).mean(-1)
    return -squares / (2 * w**2) - torch.log(torch.as_tensor(w)) - math.log(math.sqrt(2 * math.pi))


def micro_batches(count, limit):
    """`count` rows as slices: as few as possible of at most `limit`, nearly equal."""
    parts = math.ceil(count / limit)
    return [slice(count * k // parts, count * (k + 1) // parts) for k in range(parts)]
