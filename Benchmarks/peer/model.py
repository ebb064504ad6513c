"""The model: a diffusers folder as prompts to embeddings, velocity, and images."""

import contextlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.tuners.lora import LoraLayer

from draws import noise_seed


@dataclass(frozen=True)
class ModelOptions:
    """How the same numbers may be computed."""

    # torch.compile the transformer's blocks.
    compile: bool = False
    # One row of zeros for all, where there is no T5.
    count_zero_rows: bool = False


@dataclass
class Condition:
    """Encoded prompts: rows [B, T, J], and what else a family has of them."""

    rows: torch.Tensor
    # [B, P]
    pooled: torch.Tensor | None = None
    # Which rows count: [B, T].
    mask: torch.Tensor | None = None

    def select(self, index):
        parts = (self.rows, self.pooled, self.mask)
        return Condition(*(None if part is None else part[index] for part in parts))


class _AdapterLinear(torch.nn.Linear):
    """float32 weights that are computed in the input's precision: as under autocast, which the
    published code uses, but without its float32 norms."""

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))


class Model:
    """What the iteration sees of a model; a subclass is a family."""

    # Suffixes of the layers that get adapters, the paper's targets.
    targets: tuple[str, ...]

    def __init__(self, recipe, prompts, options):
        """Encodes `prompts`, drops the text encoders, and makes the transformer learn."""
        self.recipe, self.dtype = recipe, getattr(torch, recipe.dtype)
        self.device = torch.device(recipe.device)
        pipeline = self.load()
        pipeline.to(self.device)
        self.embeddings = self._encode(pipeline, prompts)
        self.transformer, self.vae = pipeline.transformer, pipeline.vae
        self.vae.to(getattr(torch, recipe.vae_dtype))
        side = pipeline.default_sample_size
        # Pixels of a latent, along one side.
        self.reduction = pipeline.vae_scale_factor
        if recipe.resolution:
            side = recipe.resolution // self.reduction
        self.shape = (self.channels, side, side)
        self.set_timesteps(pipeline.scheduler)
        self.sigmas = pipeline.scheduler.sigmas.double().tolist()
        for parameter in pipeline.vae.parameters():
            parameter.requires_grad_(False)
        if recipe.lora:
            self._add_adapters(*recipe.lora)
        else:
            self.transformer.requires_grad_(True)
        if options.compile:
            # Block by block: equal blocks share what is compiled, and the whole takes minutes.
            # Kinds of blocks, batches, gradients and adapters make more than the usual 8 variants.
            torch._dynamo.config.recompile_limit = 64
            for block in self.blocks:
                block.compile()

    @property
    def channels(self):
        """Of the latents."""
        return self.vae.config.latent_channels

    def load(self):
        """The pipeline of the recipe's folder."""
        raise NotImplementedError

    def encode(self, pipeline, prompts):
        """Rows [B, T, J] and pooled [B, P] of a batch of prompts."""
        raise NotImplementedError

    def set_timesteps(self, scheduler):
        """Makes the scheduler compute the recipe's sigmas for latents of `shape`."""
        raise NotImplementedError

    @property
    def blocks(self):
        """The transformer's blocks."""
        raise NotImplementedError

    def velocity(self, x, sigma, condition):
        """Noise minus data, guided: x [B, C, h, w] float32, sigma [B] -> the same, float32."""
        raise NotImplementedError

    def _add_adapters(self, rank, alpha):
        self.transformer.requires_grad_(False)
        # The run's seed decides the adapters; their numbers differ from tempflow's.
        torch.manual_seed(noise_seed(self.recipe.seed, -1, -1, -1, -1, -1) >> 1)
        self.transformer.add_adapter(
            LoraConfig(
                r=rank, lora_alpha=alpha, init_lora_weights="gaussian",
                target_modules=list(self.targets))
        )
        for parameter in self.trainable:
            parameter.data = parameter.data.float()
        if self.device.type == "cuda":
            for layer in self.transformer.modules():
                if isinstance(layer, LoraLayer):
                    layer.cast_input_dtype_enabled = False
                    for part in (*layer.lora_A.values(), *layer.lora_B.values()):
                        part.__class__ = _AdapterLinear

    @torch.no_grad()
    def _encode(self, pipeline, prompts):
        embeddings = {}
        unique = list(dict.fromkeys(prompts))
        for start in range(0, len(unique), 32):
            batch = unique[start : start + 32]
            rows, pooled = self.encode(pipeline, batch)
            # Copies: a view would keep the whole batch.
            embeddings |= {p: (r.clone(), q.clone()) for p, r, q in zip(batch, rows, pooled)}
        return embeddings

    @property
    def trainable(self):
        return [p for p in self.transformer.parameters() if p.requires_grad]

    def condition(self, prompts):
        rows, pooled = zip(*(self.embeddings[prompt] for prompt in prompts))
        return Condition(torch.stack(rows), torch.stack(pooled))

    @contextlib.contextmanager
    def without_adapters(self):
        """The model before training, without gradients."""
        self.transformer.disable_adapters()
        try:
            with torch.no_grad():
                yield
        finally:
            self.transformer.enable_adapters()

    @torch.no_grad()
    def decode(self, latents):
        """[B, C, h, w] -> uint8 [B, H, W, 3] in RGB."""
        config = self.vae.config
        latents = (latents / config.scaling_factor + config.shift_factor).to(self.vae.dtype)
        images = self.vae.decode(latents, return_dict=False)[0].float()
        images = (images / 2 + 0.5).clamp_(0, 1).mul_(255).round_().to(torch.uint8)
        return images.permute(0, 2, 3, 1).contiguous()
