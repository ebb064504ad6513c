"""What this process can do, and what it took."""

import resource
import sys
import time

import torch


def peak_memory_bytes():
    """The most resident memory so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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
