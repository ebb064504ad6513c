"""FLUX.1."""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import FluxPipeline
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from model import Model


class Flux(Model):
    """Guidance is an input of the network, where it has one. A token is a square of 2 x 2."""

    # All projections of the blocks with two streams. The first three are in those with one stream,
    # too, whose MLP has other names.
    targets = (
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
        "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
    )

    def __init__(self, recipe, prompts, options):
        super().__init__(recipe, prompts, options)
        _, height, width = self.shape
        self._places = {
            "txt_ids": torch.zeros(recipe.max_sequence_length, 3, device=self.device),
            "img_ids": FluxPipeline._prepare_latent_image_ids(
                1, height // 2, width // 2, self.device, torch.float32),
        }
        self._guidance = None
        if self.transformer.config.guidance_embeds:
            self._guidance = torch.full((1,), recipe.guidance_scale, device=self.device)

    def load(self):
        return FluxPipeline.from_pretrained(
            self.recipe.model, torch_dtype=self.dtype, local_files_only=True)

    def encode(self, pipeline, prompts):
        rows, pooled, _ = pipeline.encode_prompt(
            prompts, max_sequence_length=self.recipe.max_sequence_length)
        return rows, pooled

    def set_timesteps(self, scheduler):
        config, steps = scheduler.config, self.recipe.steps
        _, height, width = self.shape
        mu = calculate_shift(
            (height // 2) * (width // 2), config.base_image_seq_len, config.max_image_seq_len,
            config.base_shift, config.max_shift)
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)

    @property
    def blocks(self):
        return [*self.transformer.transformer_blocks, *self.transformer.single_transformer_blocks]

    def velocity(self, x, sigma, condition):
        _, height, width = self.shape
        # Rounded at this size, as in diffusers.
        timestep = (sigma * 1000).to(self.dtype) / 1000
        velocity = self.transformer(
            # [B, C, h, w] -> [B, h/2 w/2, 4C]
            F.pixel_unshuffle(x.to(self.dtype), 2).flatten(2).transpose(1, 2),
            encoder_hidden_states=condition.rows, pooled_projections=condition.pooled,
            timestep=timestep, return_dict=False, **self._places,
            guidance=None if self._guidance is None else self._guidance.expand(len(x)),
        )[0].float()
        tokens = velocity.transpose(1, 2).unflatten(2, (height // 2, width // 2))
        return F.pixel_shuffle(tokens, 2)
