"""TempFlow-GRPO and Flow-GRPO in Python, to be timed beside `tempflow bench`.

    python Benchmarks/peer RECIPE --form tuned --epochs 3

Two forms compute the same iteration:

    published   as the published code does it: branch tails one after the other, and one forward and
                backward pass per branch
    tuned       one wavefront, one forward and backward pass per (trunk, step)

They are the same where the recipe's method is flow_grpo, which has no branches.

Prints one JSON object. --check compares the forms with each other instead, and with --tempflow both
with that command.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"  # read when imported
warnings.simplefilter("ignore")

import transformers  # noqa: E402

transformers.logging.set_verbosity_error()

import diffusers  # noqa: E402
import torch  # noqa: E402

import check  # noqa: E402
import flops  # noqa: E402
from iteration import FORMS, Trainer  # noqa: E402
from machine import (  # noqa: E402
    GEMM_SIDES, forget_peak_memory, gemm_flops_per_second, peak_memory_bytes)
from model import ModelOptions  # noqa: E402
from recipe import RecipeError, read  # noqa: E402

diffusers.logging.set_verbosity_error()


def bench(recipe, options):
    """One epoch to warm up, then those that count."""
    dtype, device = getattr(torch, recipe.dtype), torch.device(recipe.device)
    trainer = Trainer(recipe, options.form, options.epochs + 1, model_options(options))
    start = time.perf_counter()
    trainer.epoch(0)
    warm_up = time.perf_counter() - start
    forget_peak_memory(device)
    epochs, found, rates = [], [], [gemm_flops_per_second(dtype, device)]
    for epoch in range(1, options.epochs + 1):
        for values, value in zip((epochs, found), trainer.epoch(epoch)):
            values.append(value)
        rates.append(gemm_flops_per_second(dtype, device))
    return {
        "epochs": epochs,
        "evaluations_per_epoch": recipe.evaluations,
        "images_per_epoch": recipe.images,
        "transformer_flops": flops.iteration(recipe),
        "gemm_flops_per_second": statistics.median(rates),
        "gemm_dtype": recipe.dtype,
        "gemm_side": GEMM_SIDES[device.type],
        "device": recipe.device,
        "peak_memory_bytes": peak_memory_bytes(device),
        "threads": torch.get_num_threads(),
        "warm_up_seconds": warm_up,
        "found": found,
    }


def model_options(options):
    return ModelOptions(options.compile, options.count_zero_rows)


def main():
    parser = argparse.ArgumentParser(
        prog="peer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--form", choices=FORMS, default="tuned")
    parser.add_argument("--epochs", type=int, default=1, help="measured, after one to warm up (1)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the blocks")
    parser.add_argument(
        "--count-zero-rows", action="store_true",
        help="compute one of the rows of zeros that stand for T5, instead of each")
    parser.add_argument("--prompts", type=int, help="instead of the recipe's prompts.per_epoch")
    for name in ("micro-batch", "decode-micro-batch", "training-micro-batch"):
        parser.add_argument(f"--{name}", type=int, help="instead of the recipe's")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="instead of the recipe's")
    parser.add_argument("--check", action="store_true", help="compare the two forms, then end")
    parser.add_argument("--tempflow", type=Path, help="the command to compare with, too")
    options = parser.parse_args()
    try:
        recipe = read(options.recipe)
    except RecipeError as error:
        sys.exit(str(error))
    overrides = {
        "prompts_per_epoch": options.prompts, "micro_batch": options.micro_batch,
        "decode_micro_batch": options.decode_micro_batch,
        "training_micro_batch": options.training_micro_batch,
        "device": "cuda:0" if options.device == "cuda" else options.device,
    }
    recipe = dataclasses.replace(recipe, **{k: v for k, v in overrides.items() if v})
    if recipe.device != "cpu" and not torch.cuda.is_available():
        sys.exit(f"{options.recipe} asks for {recipe.device}, and there is no CUDA device")
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    if options.check:
        sys.exit(not check.check(recipe, model_options(options), options.tempflow))
    print(json.dumps(bench(recipe, options)))


if __name__ == "__main__":
    main()
