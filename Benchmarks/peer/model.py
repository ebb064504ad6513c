"""The model: a diffusers folder as prompts to embeddings, velocity, and images."""

import contextlib
import json
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import StableDiffusion3Pipeline
from peft import LoraConfig
from peft.tuners.lora import LoraLayer

from draws import noise_seed
from zero_rows import CountedRowsProcessor, shorten

# The attention projections of the blocks, the paper's targets.
TARGETS = [
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
]


@dataclass(frozen=True)
class ModelOptions:
    """How the same numbers may be computed."""

    # torch.compile the transformer's blocks.
    compile: bool = False
    # One row of zeros for all, where there is no T5.
    count_zero_rows: bool = False


@dataclass
class Condition:
    """Encoded prompts: rows [B, T, J] and pooled [B, P]."""

    rows: torch.Tensor
    pooled: torch.Tensor

    def select(self, index):
        return Condition(self.rows[index], self.pooled[index])


class _AdapterLinear(torch.nn.Linear):
    """float32 weights that are computed in the input's precision: as under autocast, which the
    published code uses, but without its float32 norms."""

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))


class Model:
    """What the iteration sees of Stable Diffusion 3."""

    def __init__(self, recipe, prompts, options):
        """Encodes `prompts`, drops the text encoders, and makes the transformer learn."""
        index = json.loads((recipe.model / "model_index.json").read_text())
        absent = {
            name: None
            for name in ("text_encoder_3", "tokenizer_3")
            if index.get(name, [None])[0] is None
        }
        dtype = getattr(torch, recipe.dtype)
        pipeline = StableDiffusion3Pipeline.from_pretrained(
            recipe.model, torch_dtype=dtype, local_files_only=True, **absent
        )
        self.recipe, self.dtype, self.device = recipe, dtype, torch.device(recipe.device)
        pipeline.to(self.device)
        self.embeddings = self._encode(pipeline, recipe, ["", *prompts])
        self.transformer, self.vae = pipeline.transformer, pipeline.vae
        self.vae.to(getattr(torch, recipe.vae_dtype))
        pipeline.scheduler.set_timesteps(recipe.steps)
        self.sigmas = pipeline.scheduler.sigmas.double().tolist()
        config = self.transformer.config
        side = config.sample_size
        if recipe.resolution:
            side = recipe.resolution // pipeline.vae_scale_factor
        self.shape = (config.in_channels, side, side)
        for parameter in pipeline.vae.parameters():
            parameter.requires_grad_(False)
        if recipe.lora:
            self._add_adapters(*recipe.lora)
        else:
            self.transformer.requires_grad_(True)
        if options.count_zero_rows and absent:
            self._count_zero_rows(recipe.max_sequence_length)
        if options.compile:
            # Block by block: equal blocks share what is compiled, and the whole takes minutes.
            # Kinds of blocks, batches, gradients and adapters make more than the usual 8 variants.
            torch._dynamo.config.recompile_limit = 64
            for block in self.transformer.transformer_blocks:
                block.compile()

    def _count_zero_rows(self, count):
        self.embeddings = {
            prompt: (shorten(rows, count), pooled)
            for prompt, (rows, pooled) in self.embeddings.items()
        }
        self.transformer.set_attn_processor(CountedRowsProcessor(count))

    def _add_adapters(self, rank, alpha):
        self.transformer.requires_grad_(False)
        # The run's seed decides the adapters; their numbers differ from tempflow's.
        torch.manual_seed(noise_seed(self.recipe.seed, -1, -1, -1, -1, -1) >> 1)
        self.transformer.add_adapter(
            LoraConfig(
                r=rank, lora_alpha=alpha, init_lora_weights="gaussian", target_modules=TARGETS)
        )
        for parameter in self.trainable:
            parameter.data = parameter.data.float()
        if self.device.type == "cuda":
            for layer in self.transformer.modules():
                if isinstance(layer, LoraLayer):
                    layer.cast_input_dtype_enabled = False
                    for part in (*layer.lora_A.values(), *layer.lora_B.values()):
                        part.__class__ = _AdapterLinear

    @staticmethod
    @torch.no_grad()
    def _encode(pipeline, recipe, prompts):
        embeddings = {}
        unique = list(dict.fromkeys(prompts))
        for start in range(0, len(unique), 32):
            batch = unique[start : start + 32]
            rows, _, pooled, _ = pipeline.encode_prompt(
                batch, None, None, do_classifier_free_guidance=False,
                max_sequence_length=recipe.max_sequence_length,
            )
            # Copies: a view would keep the whole batch.
            embeddings |= {p: (r.clone(), q.clone()) for p, r, q in zip(batch, rows, pooled)}
        return embeddings

    @property
    def trainable(self):
        return [p for p in self.transformer.parameters() if p.requires_grad]

    def condition(self, prompts):
        rows, pooled = zip(*(self.embeddings[prompt] for prompt in prompts))
        return Condition(torch.stack(rows), torch.stack(pooled))

    def velocity(self, x, sigma, condition):
        """Noise minus data, guided: x [B, C, h, w] float32, sigma [B] -> the same, float32."""
        count, timestep, x = len(x), sigma * 1000, x.to(self.dtype)
        rows, pooled = condition.rows, condition.pooled
        if self.recipe.guided:
            empty_rows, empty_pooled = self.embeddings[""]
            rows = torch.cat([empty_rows.expand(count, -1, -1), rows])
            pooled = torch.cat([empty_pooled.expand(count, -1), pooled])
            x, timestep = torch.cat([x, x]), torch.cat([timestep, timestep])
        velocity = self.transformer(
            x, encoder_hidden_states=rows, pooled_projections=pooled, timestep=timestep,
            return_dict=False,
        )[0].float()
        if self.recipe.guided:
            unconditional, conditional = velocity.chunk(2)
            velocity = torch.lerp(unconditional, conditional, self.recipe.guidance_scale)
        return velocity

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
