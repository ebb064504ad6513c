"""Do both forms compute the same, and what tempflow computes?"""

import subprocess
import tempfile
from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file

from iteration import Trainer
from phases import Phases

# Both evaluate the same network on other batches: rounding differs. Half precision has 8 bits.
LIMITS = {"float32": 1e-4, "bfloat16": 3e-2}


def _relative(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@dataclass
class _Run:
    """What one form computed."""

    # Of the first trunks at the second step.
    velocity: torch.Tensor
    # The latents of all branches after their stochastic step.
    branches: torch.Tensor
    # Of one update over all pairs of the epoch.
    gradient: torch.Tensor
    # The largest change of a log-probability from the rollout to training: 0 but for rounding.
    change: float


def _once(recipe, form, options):
    """One rollout and one gradient."""
    trainer = Trainer(recipe, form, 1, options)
    device = trainer.model.device
    if recipe.lora:  # adapters begin as nothing, and half of their gradient with them
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in trainer.learner.parameters:
                change = torch.randn(parameter.shape, generator=generator)
                parameter.add_(change.to(device), alpha=0.01)
    rollout, condition = trainer.roll_out(0, Phases(device))
    count = min(4, recipe.trunks)
    with torch.no_grad():
        velocity = trainer.model.velocity(
            rollout.latents[1, :count],
            torch.full((count,), trainer.model.sigmas[1], device=device),
            condition.select(trainer.owners[:count]))
    # Not the rewards': a rounded pixel changes a file's size by a byte.
    advantage = torch.randn(rollout.rewards.shape, generator=torch.Generator().manual_seed(2))
    change = trainer.learner.gradient(
        rollout, advantage.to(device), torch.arange(recipe.pairs, device=device), condition,
        trainer.owners, rollout.log_probabilities.flatten(0, 1)).item()
    # Adapters beside the last block's text may have no path to the velocity.
    gradient = torch.cat([
        (torch.zeros_like(p) if p.grad is None else p.grad).flatten()
        for p in trainer.learner.parameters])
    return _Run(velocity, rollout.next_latents, gradient, change)


def _tempflow_velocity(command, model, prompts, x):
    """What `tempflow sample` makes of noise in one step is x - v: returns v."""
    recipe = model.recipe
    with tempfile.TemporaryDirectory() as folder:
        noise, result = f"{folder}/noise.safetensors", f"{folder}/result.safetensors"
        save_file({"latents": x.cpu()}, noise)
        side = recipe.resolution or x.shape[-1] * model.reduction
        subprocess.run(
            [
                command, "sample", "--model", recipe.model, "--steps", "1",
                "--guidance-scale", str(recipe.guidance_scale),
                "--height", str(side), "--width", str(side), "--dtype", recipe.dtype,
                "--max-sequence-length", str(recipe.max_sequence_length),
                *(part for prompt in prompts for part in ("--prompt", prompt)),
                "--initial-latents", noise, "--save-latents", result, "--output", folder,
            ],
            check=True, stdout=subprocess.DEVNULL,
        )
        return x - load_file(result)["latents"].to(x.device)


def check(recipe, options, tempflow):
    """Prints how far the forms are apart, and tempflow from them; whether rounding explains it."""
    published = _once(recipe, "published", options)
    tuned = _once(recipe, "tuned", options)
    errors = {
        f"{name}, tuned and published": _relative(getattr(tuned, name), getattr(published, name))
        for name in ("velocity", "branches", "gradient")
    }
    if tempflow:
        trainer = Trainer(recipe, "tuned", 1, options)
        prompts = trainer.prompts[0][:4]
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(len(prompts), *trainer.model.shape, generator=generator)
        x = x.to(trainer.model.device)
        with torch.no_grad():
            expected = trainer.model.velocity(
                x, torch.ones(len(prompts), device=x.device), trainer.model.condition(prompts))
        found = _tempflow_velocity(tempflow, trainer.model, prompts, x)
        errors["velocity, tempflow and the peer"] = _relative(found, expected)
    for name, error in errors.items():
        print(f"{name:32} {error:.1e}")
    for name, run in (("published", published), ("tuned", tuned)):
        print(f"{'log-probabilities, ' + name:32} {run.change:.1e} from rollout to training")
    passed = all(error <= LIMITS[recipe.dtype] for error in errors.values())
    print("passed" if passed else f"failed: more than {LIMITS[recipe.dtype]} apart")
    return passed
