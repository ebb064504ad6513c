"""What this process can do, and what it took."""

import ctypes
import gc
import sys
import time

import torch


def forget_peak_memory():
    """Frees what was used to load, and lets the peak begin anew; Linux alone can."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")


def peak_memory_bytes():
    """The most resident memory since it was forgotten; None where the system does not say."""
    if sys.platform != "linux":
        return None
    with open("/proc/self/status") as file:
        values = dict(line.split(":", 1) for line in file)
    return int(values["VmHWM"].split()[0]) * 1024


@torch.no_grad()
def gemm_flops_per_second(dtype, side=2048, repeats=5):
    """The rate of a square matrix product, the best of a few."""
    a, b = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    torch.mm(a, b)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best
