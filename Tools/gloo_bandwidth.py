"""Seconds of an update's sum of gradients over Gloo on this machine's loopback.

    .bench/bin/python Tools/gloo_bandwidth.py

Two processes exchange shares of one int64 a trainable parameter and then one float32 of each share, as an update of
several passes does with gradients, in a few rounds after one that is not counted. The output is a Markdown table. The parameters are those of the adapters of `Recipes/sd3.5-medium-pickscore.yaml`,
`Recipes/flux.1-dev-pickscore.yaml` and `Recipes/qwen-image-pickscore.yaml`; `tempflow plan` prints them.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as distributed
import torch.multiprocessing


def received() -> int:
    """Bytes that have passed over the loopback."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith("lo:"))


def measure(rank: int, store: str, arguments: argparse.Namespace) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=arguments.processes)
    for parameters in arguments.parameters:
        share = parameters // arguments.processes
        sums = torch.zeros(share * arguments.processes, dtype=torch.int64)
        received_sums, own = torch.empty_like(sums), torch.zeros(share)
        gradient = torch.empty(share * arguments.processes)
        seconds, counts = [], []
        for _ in range(1 + arguments.rounds):
            distributed.barrier()
            begin, before = time.monotonic(), received()
            distributed.all_to_all_single(received_sums, sums)
            distributed.all_gather_into_tensor(gradient, own)
            distributed.barrier()
            seconds.append(time.monotonic() - begin)
            counts.append(received() - before)
        if rank == 0:
            # Bytes on the loopback are those that all processes send.
            sent = (arguments.processes - 1) / arguments.processes * (8 + 4) * parameters
            rates = ", ".join(f"{8 * sent / second / 1e9:.1f}" for second in seconds[1:])
            times = ", ".join(f"{second:.2f}" for second in seconds[1:])
            counted = sum(counts[1:]) / arguments.rounds / arguments.processes
            print(f"| {parameters:,} | {sent / 1e6:.1f} | {counted / 1e6:.1f} | {times} | {rates} |", flush=True)
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, nargs="+", default=[18_776_064, 89_653_248, 424_673_280])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| parameters | MB that a process sends | MB on the loopback, each | seconds | Gbit/s of a process |")
    print("|---:|---:|---:|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(measure, (f"{folder}/store", arguments), arguments.processes)


if __name__ == "__main__":
    main()
