"""The floating-point operations that one iteration cannot do without.

Counted are the matrix products and attention of the transformer, 2 for a multiplication with its
addition, each as seldom as it can be computed exactly:

- what a token needs: once per evaluation;
- modulation and the embedding of time and pooled prompt: once per (prompt, step) in a rollout, once
  per pair in training;
- the embedding of a prompt's rows: once per prompt in a rollout, in training only if it learns;
- equal rows of zeros in a prompt: one of them; text queries of the last block: none;
- adapters: folded into the weights in a rollout and without them in the reference, beside them in
  training;
- a backward pass: the products for gradients of inputs and of weights, where they are needed.

Norms, activations, the autoencoder and everything repeated or recomputed count nothing, so that one
number serves every program that is timed.
"""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Linear:
    """A layer that so many rows of one sample go through."""

    rows: int
    inputs: int
    outputs: int
    # Whether an adapter may sit beside it.
    is_target: bool = False
    # Whether anything before it learns, with all weights and with adapters.
    needs_input_gradient: tuple[bool, bool] = (True, True)

    @property
    def forward(self):
        return 2 * self.rows * self.inputs * self.outputs


class Transformer:
    """The layers of an SD3 transformer, by what they depend on."""

    def __init__(self, config, image_tokens, text_tokens):
        width = config["num_attention_heads"] * config["attention_head_dim"]
        patch = config["patch_size"] ** 2
        layers, dual = config["num_layers"], set(config.get("dual_attention_layers") or ())
        tokens, nothing = image_tokens + text_tokens, (False, False)
        # What depends on a prompt's rows, on (prompt, step), on the latents.
        self.prompt = [_Linear(text_tokens, config["joint_attention_dim"], width,
                               needs_input_gradient=nothing)]
        self.condition = [
            _Linear(1, 256, width, needs_input_gradient=nothing), _Linear(1, width, width),
            _Linear(1, config["pooled_projection_dim"], width, needs_input_gradient=nothing),
            _Linear(1, width, width),
        ]
        self.tokens = [_Linear(image_tokens, patch * config["in_channels"], width,
                               needs_input_gradient=nothing)]
        self.attention = 0
        for layer in range(layers):
            last = layer == layers - 1
            # Before the first block only all weights learn.
            first = (True, layer > 0)
            parts = (9 if layer in dual else 6) + (2 if last else 6)
            self.condition.append(_Linear(1, width, parts * width, needs_input_gradient=first))

            def square(rows, is_target=True, gradient=(True, True)):
                self.tokens.append(_Linear(rows, width, width, is_target, gradient))

            for _ in range(3):
                square(image_tokens, gradient=first)
            for _ in range(2 if last else 3):
                square(text_tokens, gradient=first)
            square(image_tokens)
            if not last:
                square(text_tokens)
            self.attention += 4 * (image_tokens if last else tokens) * tokens * width
            if layer in dual:
                for _ in range(3):
                    square(image_tokens, False, first)
                square(image_tokens, False)
                self.attention += 4 * image_tokens**2 * width
            for rows in (image_tokens,) if last else (image_tokens, text_tokens):
                self.tokens.append(_Linear(rows, width, 4 * width))
                self.tokens.append(_Linear(rows, 4 * width, width))
        self.condition.append(_Linear(1, width, 2 * width, needs_input_gradient=(True, layers > 0)))
        self.tokens.append(_Linear(image_tokens, width, patch * config["out_channels"]))

    @property
    def evaluation(self):
        """One sample's forward pass, without what does not depend on its latents."""
        return sum(layer.forward for layer in self.tokens) + self.attention

    def training(self, rank):
        """One sample's forward and backward pass; `rank` of the adapters, None for all weights."""
        if rank is None:
            layers = self.prompt + self.condition + self.tokens
            factor = {True: 3, False: 2}
            products = sum(factor[l.needs_input_gradient[0]] * l.forward for l in layers)
            return products + 3 * self.attention
        total = sum(layer.forward for layer in self.condition) + 3 * self.attention
        for layer in self.tokens:
            total += layer.forward * (2 if layer.needs_input_gradient[1] else 1)
            if layer.is_target:
                down = 2 * layer.rows * layer.inputs * rank
                up = 2 * layer.rows * rank * layer.outputs
                # Both products, their weights' gradients, the gradient in between, the input's.
                total += 2 * (down + up) + up + (down if layer.needs_input_gradient[1] else 0)
        return total


def iteration(recipe):
    """What an iteration of a recipe needs: {"rollout": FLOP, "training": FLOP}."""
    transformer = _read(recipe)
    texts = 1 + recipe.prompts_per_epoch if recipe.guided else recipe.prompts_per_epoch
    condition = sum(layer.forward for layer in transformer.condition)
    rows = sum(layer.forward for layer in transformer.prompt)
    guided = 2 if recipe.guided else 1
    pair = transformer.training(recipe.lora[0] if recipe.lora else None)
    if recipe.kl_beta > 0:
        pair += transformer.evaluation
    return {
        "rollout": recipe.evaluations * transformer.evaluation
        + texts * (recipe.steps * condition + rows),
        "training": recipe.pairs * guided * pair,
    }


def _read(recipe):
    """The recipe's transformer at its image size."""
    def configuration(path):
        return json.loads((Path(recipe.model) / path).read_text())

    config = configuration("transformer/config.json")
    side = config["sample_size"]
    if recipe.resolution:
        blocks = len(configuration("vae/config.json")["block_out_channels"])
        side = recipe.resolution // 2 ** (blocks - 1)
    text = configuration("text_encoder/config.json")["max_position_embeddings"]
    has_t5 = configuration("model_index.json").get("text_encoder_3", [None])[0] is not None
    # Without T5 its rows are zeros, all equal.
    text += recipe.max_sequence_length if has_t5 else 1
    return Transformer(config, (side // config["patch_size"]) ** 2, text)
