"""Qwen-Image."""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import QwenImagePipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift

from model import Condition, Model

# The negative prompt of the paper and of diffusers' examples.
_NEGATIVE = " "


class QwenImage(Model):
    """Guidance is a second evaluation, whose result keeps the conditional one's norm in each token.
    A token is a square of 2 x 2. Every prompt of a run has as many rows as the longest, rounded up
    to 64, and a mask."""

    # All projections of the blocks, of both streams.
    targets = (
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
        "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
        "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2",
    )

    def __init__(self, recipe, prompts, options):
        super().__init__(recipe, [_NEGATIVE, *prompts], options)
        longest = max(len(rows) for rows, _ in self.embeddings.values())
        width = -(-longest // 64) * 64
        self.embeddings = {
            prompt: (F.pad(rows, (0, 0, 0, width - len(rows))), F.pad(mask, (0, width - len(mask))))
            for prompt, (rows, mask) in self.embeddings.items()
        }

    @property
    def channels(self):
        return self.vae.config.z_dim

    def load(self):
        return QwenImagePipeline.from_pretrained(
            self.recipe.model, torch_dtype=self.dtype, local_files_only=True)

    def encode(self, pipeline, prompts):
        """Of each prompt its own rows, and that they count: [T, J] and [T]."""
        rows, mask = pipeline.encode_prompt(
            prompts, max_sequence_length=self.recipe.max_sequence_length)
        mask = torch.ones(rows.shape[:2]) if mask is None else mask
        counted = mask.bool().to(rows.device)
        return [r[m] for r, m in zip(rows, counted)], [m[m] for m in counted]

    def condition(self, prompts):
        rows, mask = zip(*(self.embeddings[prompt] for prompt in prompts))
        return Condition(torch.stack(rows), mask=torch.stack(mask))

    def set_timesteps(self, scheduler):
        config, steps = scheduler.config, self.recipe.steps
        _, height, width = self.shape
        mu = calculate_shift(
            (height // 2) * (width // 2), config.base_image_seq_len, config.max_image_seq_len,
            config.base_shift, config.max_shift)
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)

    @property
    def blocks(self):
        return self.transformer.transformer_blocks

    def velocity(self, x, sigma, condition):
        count, (_, height, width) = len(x), self.shape
        # [B, C, h, w] -> [B, h/2 w/2, 4C]
        tokens = F.pixel_unshuffle(x.to(self.dtype), 2).flatten(2).transpose(1, 2)
        # Rounded at this size, as in diffusers.
        timestep = (sigma * 1000).to(self.dtype) / 1000
        rows, mask = condition.rows, condition.mask
        if self.recipe.guided:
            negative_rows, negative_mask = self.embeddings[_NEGATIVE]
            rows = torch.cat([negative_rows.expand(count, -1, -1), rows])
            mask = torch.cat([negative_mask.expand(count, -1), mask])
            tokens, timestep = torch.cat([tokens, tokens]), torch.cat([timestep, timestep])
        velocity = self.transformer(
            tokens, encoder_hidden_states=rows, encoder_hidden_states_mask=mask,
            timestep=timestep, img_shapes=[[(1, height // 2, width // 2)]] * len(tokens),
            return_dict=False,
        )[0].float()
        if self.recipe.guided:
            negative, conditional = velocity.chunk(2)
            guided = torch.lerp(negative, conditional, self.recipe.guidance_scale)
            norms = [torch.linalg.vector_norm(v, dim=-1, keepdim=True)
                     for v in (conditional, guided)]
            velocity = guided * (norms[0] / norms[1])
        return F.pixel_shuffle(
            velocity.transpose(1, 2).unflatten(2, (height // 2, width // 2)), 2)

    @torch.no_grad()
    def decode(self, latents):
        config = self.vae.config
        mean, deviation = (
            torch.tensor(values, device=latents.device).view(1, -1, 1, 1)
            for values in (config.latents_mean, config.latents_std))
        # One frame of a video: [B, C, 1, h, w].
        latents = (latents * deviation + mean).to(self.vae.dtype).unsqueeze(2)
        images = self.vae.decode(latents, return_dict=False)[0][:, :, 0].float()
        images = (images / 2 + 0.5).clamp_(0, 1).mul_(255).round_().to(torch.uint8)
        return images.permute(0, 2, 3, 1).contiguous()
