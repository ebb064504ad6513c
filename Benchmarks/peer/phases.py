"""Seconds of the phases of an epoch."""

import time
from contextlib import contextmanager

NAMES = ("rollout", "decode", "reward", "training", "optimizer", "all")


class Phases:
    """A stopwatch in which a phase inside another one is not counted twice."""

    def __init__(self):
        self.seconds = dict.fromkeys(NAMES, 0.0)
        self._nested = [0.0]

    @contextmanager
    def measure(self, name):
        start = time.perf_counter()
        self._nested.append(0.0)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            inner = self._nested.pop()
            self.seconds[name] += elapsed if name == "all" else elapsed - inner
            self._nested[-1] += elapsed
