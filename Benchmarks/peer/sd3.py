"""Stable Diffusion 3."""

import json

import torch
from diffusers import StableDiffusion3Pipeline

from model import Model
from zero_rows import CountedRowsProcessor, shorten


class StableDiffusion3(Model):
    """Guidance is a second evaluation, with an empty prompt."""

    # The attention projections of the blocks.
    targets = (
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
        "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
    )

    def __init__(self, recipe, prompts, options):
        super().__init__(recipe, ["", *prompts], options)
        if options.count_zero_rows and not self._has_t5:
            self._count_zero_rows(recipe.max_sequence_length)

    def load(self):
        index = json.loads((self.recipe.model / "model_index.json").read_text())
        absent = {
            name: None
            for name in ("text_encoder_3", "tokenizer_3")
            if index.get(name, [None])[0] is None
        }
        self._has_t5 = not absent
        return StableDiffusion3Pipeline.from_pretrained(
            self.recipe.model, torch_dtype=self.dtype, local_files_only=True, **absent)

    def encode(self, pipeline, prompts):
        rows, _, pooled, _ = pipeline.encode_prompt(
            prompts, None, None, do_classifier_free_guidance=False,
            max_sequence_length=self.recipe.max_sequence_length,
        )
        return rows, pooled

    def set_timesteps(self, scheduler):
        scheduler.set_timesteps(self.recipe.steps)

    @property
    def blocks(self):
        return self.transformer.transformer_blocks

    def _count_zero_rows(self, count):
        self.embeddings = {
            prompt: (shorten(rows, count), pooled)
            for prompt, (rows, pooled) in self.embeddings.items()
        }
        self.transformer.set_attn_processor(CountedRowsProcessor(count))

    def velocity(self, x, sigma, condition):
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
