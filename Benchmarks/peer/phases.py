"""Seconds of the phases of an epoch."""

import time
from contextlib import contextmanager

import torch

NAMES = ("rollout", "decode", "reward", "training", "optimizer", "all")
# By the host's clock on a CUDA device, too, from an idle device to an idle device.
_BY_HOST = ("reward", "all")


class Phases:
    """A stopwatch in which a phase inside another one is not counted twice.

    What a CUDA device does is timed by events on its stream; they are looked at when the seconds
    are asked for, which must be after "all" has ended.
    """

    def __init__(self, device):
        self._device = device
        # Names of what is under way, outermost first; (name, the one around it, start, end).
        self._under_way, self._spans = [], []

    @contextmanager
    def measure(self, name):
        around = self._under_way[-1] if self._under_way else "all"
        self._under_way.append(name)
        start = self._mark(name)
        try:
            yield
        finally:
            self._spans.append((name, around, start, self._mark(name)))
            self._under_way.pop()

    def _mark(self, name):
        """Now; of a CUDA device, the end of what is queued now."""
        if self._device.type == "cuda":
            if name not in _BY_HOST:
                event = torch.cuda.Event(enable_timing=True)
                event.record()
                return event
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def seconds(self):
        """By phase; "all" includes the others."""
        seconds = dict.fromkeys(NAMES, 0.0)
        for name, around, start, end in self._spans:
            on_host = isinstance(start, float)
            elapsed = end - start if on_host else start.elapsed_time(end) / 1000
            seconds[name] += elapsed
            if around != "all":
                seconds[around] -= elapsed
        return seconds
