"""What this process can do, and what it took."""

import ctypes
import gc
import sys
import time

import torch

# Rows of the matrices whose product gives the rate of a device.
GEMM_SIDES = {"cpu": 2048, "cuda": 8192}


def synchronize(device):
    """Waits for what a CUDA device still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget_peak_memory(device):
    """Frees what was used to load, and lets the peak begin anew; on the CPU, Linux alone can."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")


def peak_memory_bytes(device):
    """The most memory since it was forgotten: of CUDA's allocator, or what was resident; None where
    the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform != "linux":
        return None
    with open("/proc/self/status") as file:
        values = dict(line.split(":", 1) for line in file)
    return int(values["VmHWM"].split()[0]) * 1024


@torch.no_grad()
def gemm_flops_per_second(dtype, device, repeats=5):
    """The rate of a square matrix product, the best of a few."""
    side = GEMM_SIDES[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    best = float("inf")
    for _ in range(repeats):
        synchronize(device)
        start = time.perf_counter()
        torch.mm(a, b)
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best
