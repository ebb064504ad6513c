"""A TempFlow recipe, as far as the peer can run it: the same YAML file that `tempflow` reads.

docs/recipes.md describes the keys. Whatever this file does not know is an error, so that a peer
never times something else than was asked for.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml


class RecipeError(Exception):
    """A recipe that the peer cannot run, and why."""


@dataclass(frozen=True)
class Recipe:
    """What one iteration does. Names follow the recipe's keys."""

    model: Path
    # The pipeline class of the model's folder.
    pipeline: str
    resolution: int | None
    max_sequence_length: int
    dtype: str
    vae_dtype: str
    device: str
    # None is torch's choice.
    threads: int | None
    seed: int
    # Rank and alpha of the adapters; None trains every weight.
    lora: tuple[int, float] | None
    prompts: Path
    prompts_per_epoch: int
    method: str
    steps: int
    guidance_scale: float
    noise_level: float
    # Trunks of a prompt, and branches of a (trunk, step). A sample of Flow-GRPO is a trunk with one
    # branch: S K trunks for seeds_per_prompt S and branches K.
    seeds_per_prompt: int
    branches: int
    micro_batch: int
    decode_micro_batch: int
    group: str
    advantage_clip: float
    weighting: str
    clip_range: float
    kl_beta: float
    old_log_prob: str
    learning_rate: float
    betas: tuple[float, float]
    weight_decay: float
    epsilon: float
    max_grad_norm: float
    updates_per_epoch: int
    training_micro_batch: int
    ema_decay: float
    ema_update_every: int

    @property
    def trunks(self):
        return self.prompts_per_epoch * self.seeds_per_prompt

    @property
    def trained_steps(self):
        """All but the last."""
        return range(self.steps - 1)

    @property
    def pairs(self):
        """(trunk, step) pairs of an epoch."""
        return self.trunks * len(self.trained_steps)

    @property
    def images(self):
        """Images of an epoch."""
        return self.pairs * self.branches if self.method == "tempflow" else self.trunks

    @property
    def guided(self):
        """Whether guidance takes a second evaluation; FLUX has it as an input."""
        return self.pipeline != "FluxPipeline" and self.guidance_scale > 1

    @property
    def evaluations(self):
        """Sample evaluations that a rollout needs, guidance counted as two."""
        per_trunk = self.steps
        if self.method == "tempflow":
            tails = sum(self.steps - 1 - step for step in self.trained_steps)
            per_trunk = len(self.trained_steps) + self.branches * tails
        return self.trunks * per_trunk * (2 if self.guided else 1)


_REQUIRED = object()
# What changes nothing that is timed here.
_IGNORED = {
    "epochs", "time_limit", "evaluation", "checkpoints", "prompt_cache", "memory_budget",
    "evidence",
}
# By pipeline class. The longest prompts of FLUX.1-dev and -schnell differ: a recipe names a length.
_DEFAULTS = {
    "StableDiffusion3Pipeline": {
        "max_sequence_length": 256, "guidance_scale": 1, "noise_level": 0.7,
    },
    "FluxPipeline": {
        "max_sequence_length": _REQUIRED, "guidance_scale": 3.5, "noise_level": 0.9,
    },
    "QwenImagePipeline": {
        "max_sequence_length": 512, "guidance_scale": 4, "noise_level": 1.2,
    },
}


class _Section:
    """The keys of one section; those that nobody asked for are refused at the end."""

    def __init__(self, path, name, values):
        self.path, self.name, self.values = path, name, dict(values)

    def take(self, key, default=_REQUIRED):
        value = self.values.pop(key, default)
        if value is _REQUIRED:
            raise RecipeError(f"{self.path}: {self.name}{key} is missing")
        return value

    def number(self, key, default=_REQUIRED):
        return float(self.take(key, default))  # YAML 1.1 reads 3e-2 as text

    def section(self, key):
        return _Section(self.path, f"{self.name}{key}.", self.take(key, {}))

    def one_of(self, key, *supported):
        """A key of which the peer knows these values; the first is the default."""
        value = self.take(key, supported[0])
        if value not in supported:
            raise RecipeError(
                f"{self.path}: the peer runs {self.name}{key}: {' or '.join(map(str, supported))} "
                f"alone, found {value}"
            )
        return value

    def finish(self):
        if self.values:
            keys = ", ".join(self.name + key for key in sorted(self.values))
            raise RecipeError(f"{self.path}: the peer does not know {keys}")


def _pipeline(path, model):
    """The pipeline class of a model's folder."""
    try:
        name = json.loads((model / "model_index.json").read_text())["_class_name"]
    except FileNotFoundError:
        raise RecipeError(f"{path}: {model} is no model's folder") from None
    if name not in _DEFAULTS:
        raise RecipeError(f"{path}: the peer does not know {name}, the model of {model}")
    return name


def read(path):
    """Reads a recipe file; paths in it start from its folder."""
    path = Path(path)
    root = _Section(path, "", yaml.safe_load(path.read_text()))
    for key in _IGNORED:
        root.take(key, None)
    model = path.parent / root.take("model")
    pipeline = _pipeline(path, model)
    root.one_of("gradient_checkpointing", False)
    device = root.one_of("device", "cpu", "cuda", "cuda:0")
    dtype = root.take("dtype", "float32")
    trainable = root.take("trainable")
    lora = None
    if trainable == "lora":
        section = root.section("lora")
        rank = section.take("rank", 32)
        lora = (rank, section.number("alpha", 2 * rank))
        section.finish()
    elif trainable != "full":
        raise RecipeError(f"{path}: trainable must be lora or full, found {trainable}")
    rewards = root.take("rewards")
    if rewards != [{"name": "jpeg_incompressibility"}]:
        raise RecipeError(f"{path}: the peer's only reward is jpeg_incompressibility")
    sections = {
        name: root.section(name)
        for name in ("prompts", "sampling", "advantage", "loss", "optimizer", "ema")
    }
    prompts, sampling, advantage, loss, optimizer, ema = sections.values()
    prompts.take("evaluation", None)
    method = sampling.one_of("method", "tempflow", "flow_grpo")
    sampling.one_of("dynamics", "flow_sde")
    sampling.one_of("trained_steps", "all")
    has_branches = method == "tempflow"
    groups = ("seed", "prompt") if has_branches else ("prompt",)
    group = advantage.one_of("baseline", *groups)
    advantage.one_of("scale", group)
    sources = ("rollout", "recomputed") if dtype == "float32" else ("recomputed", "rollout")
    seeds, branches = sampling.take("seeds_per_prompt", 1), sampling.take("branches")
    defaults = _DEFAULTS[pipeline]
    micro_batch = sampling.take("micro_batch", 256)
    recipe = Recipe(
        model=model,
        pipeline=pipeline,
        resolution=root.take("resolution", None),
        max_sequence_length=root.take("max_sequence_length", defaults["max_sequence_length"]),
        dtype=dtype,
        vae_dtype=root.take("vae_dtype", "float32"),
        device="cpu" if device == "cpu" else "cuda:0",
        threads=root.take("threads", _REQUIRED if device == "cpu" else None),
        seed=root.take("seed", 0),
        lora=lora,
        prompts=path.parent / prompts.take("train"),
        prompts_per_epoch=prompts.take("per_epoch"),
        method=method,
        steps=sampling.take("steps"),
        guidance_scale=sampling.number("guidance_scale", defaults["guidance_scale"]),
        noise_level=sampling.number("noise_level", defaults["noise_level"]),
        seeds_per_prompt=seeds if has_branches else seeds * branches,
        branches=branches if has_branches else 1,
        micro_batch=micro_batch,
        decode_micro_batch=sampling.take("decode_micro_batch", micro_batch),
        group=group,
        advantage_clip=advantage.number("clip", 5),
        weighting=loss.one_of("weighting", "noise_aware", "none"),
        clip_range=loss.number("clip_range"),
        kl_beta=loss.number("kl_beta", 0),
        old_log_prob=loss.one_of("old_log_prob", *sources),
        learning_rate=optimizer.number("learning_rate"),
        betas=tuple(optimizer.take("betas", [0.9, 0.999])),
        weight_decay=optimizer.number("weight_decay", 1e-4),
        epsilon=optimizer.number("epsilon", 1e-8),
        max_grad_norm=optimizer.number("max_grad_norm", 1),
        updates_per_epoch=optimizer.take("updates_per_epoch"),
        training_micro_batch=optimizer.take("micro_batch", 64),
        ema_decay=ema.number("decay", 0.9),
        ema_update_every=ema.take("update_every", 8),
    )
    for section in (*sections.values(), root):
        section.finish()
    if lora is None and recipe.kl_beta > 0:
        raise RecipeError(f"{path}: the peer has no reference without adapters; kl_beta must be 0")
    if recipe.pairs % recipe.updates_per_epoch:
        raise RecipeError(
            f"{path}: {recipe.updates_per_epoch} updates do not divide {recipe.pairs} pairs"
        )
    return recipe
