"""The floating-point operations that one iteration cannot do without.

Counted are the matrix products and attention of the transformer, 2 for a multiplication with its
addition, each as seldom as it can be computed exactly:

- what a token needs: once per evaluation;
- modulation and the embedding of time, guidance and pooled prompt: once per (prompt, step) in a
  rollout, once per pair in training;
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

_NOTHING = (False, False)


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


class _Transformer:
    """The layers of a transformer, by what they depend on; a subclass lists them."""

    def __init__(self):
        # What depends on a prompt's rows, on (prompt, step), on the latents.
        self.prompt, self.condition, self.tokens = [], [], []
        # Operations of queries with keys and of weights with values.
        self.attention = 0

    def add_condition(self, width, config):
        """The embeddings of time, and of pooled prompt and guidance where they are inputs."""
        inputs = [256]
        if "pooled_projection_dim" in config:
            inputs.append(config["pooled_projection_dim"])
        if config.get("guidance_embeds"):
            inputs.append(256)
        for count in inputs:
            self.condition += [
                _Linear(1, count, width, needs_input_gradient=_NOTHING), _Linear(1, width, width),
            ]

    def add_modulation(self, parts, width, gradient=(True, True)):
        self.condition.append(_Linear(1, width, parts * width, needs_input_gradient=gradient))

    def add_attention(self, queries, keys, width):
        self.attention += 4 * queries * keys * width

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


class _SD3(_Transformer):
    """Stable Diffusion 3. Adapters sit beside the projections of the joint attention."""

    def __init__(self, config, image_tokens, text_tokens):
        super().__init__()
        width = config["num_attention_heads"] * config["attention_head_dim"]
        patch = config["patch_size"] ** 2
        layers, dual = config["num_layers"], set(config.get("dual_attention_layers") or ())
        tokens = image_tokens + text_tokens
        self.prompt.append(_Linear(
            text_tokens, config["joint_attention_dim"], width, needs_input_gradient=_NOTHING))
        self.add_condition(width, config)
        self.tokens.append(_Linear(
            image_tokens, patch * config["in_channels"], width, needs_input_gradient=_NOTHING))
        for layer in range(layers):
            last = layer == layers - 1
            # Before the first block only all weights learn.
            first = (True, layer > 0)
            self.add_modulation((9 if layer in dual else 6) + (2 if last else 6), width, first)

            def square(rows, is_target=True, gradient=(True, True)):
                self.tokens.append(_Linear(rows, width, width, is_target, gradient))

            for _ in range(3):
                square(image_tokens, gradient=first)
            for _ in range(2 if last else 3):
                square(text_tokens, gradient=first)
            square(image_tokens)
            if not last:
                square(text_tokens)
            self.add_attention(image_tokens if last else tokens, tokens, width)
            if layer in dual:
                for _ in range(3):
                    square(image_tokens, False, first)
                square(image_tokens, False)
                self.add_attention(image_tokens, image_tokens, width)
            for rows in (image_tokens,) if last else (image_tokens, text_tokens):
                self.tokens.append(_Linear(rows, width, 4 * width))
                self.tokens.append(_Linear(rows, 4 * width, width))
        self.add_modulation(2, width, (True, layers > 0))
        self.tokens.append(_Linear(image_tokens, width, patch * config["out_channels"]))


class _Flux(_Transformer):
    """FLUX.1. Adapters sit beside all projections of the blocks with two streams, and those to
    queries, keys and values of the blocks with one."""

    def __init__(self, config, image_tokens, text_tokens):
        super().__init__()
        width = config["num_attention_heads"] * config["attention_head_dim"]
        layers, singles = config["num_layers"], config["num_single_layers"]
        tokens = image_tokens + text_tokens
        self.prompt.append(_Linear(
            text_tokens, config["joint_attention_dim"], width, needs_input_gradient=_NOTHING))
        self.add_condition(width, config)
        self.tokens.append(_Linear(
            image_tokens, config["in_channels"], width, needs_input_gradient=_NOTHING))
        for layer in range(layers):
            # Before the first block only all weights learn.
            first = (True, layer > 0)
            self.add_modulation(12, width, first)
            for rows in (image_tokens, text_tokens):
                self.tokens += [_Linear(rows, width, width, True, first)] * 3
                self.tokens += [
                    _Linear(rows, width, width, True), _Linear(rows, width, 4 * width, True),
                    _Linear(rows, 4 * width, width, True),
                ]
            self.add_attention(tokens, tokens, width)
        for layer in range(singles):
            first = (True, layers + layer > 0)
            # Of the last block only the image goes on.
            rows = image_tokens if layer == singles - 1 else tokens
            self.add_modulation(3, width, first)
            self.tokens += [_Linear(rows, width, width, True, first)]
            self.tokens += [_Linear(tokens, width, width, True, first)] * 2
            self.tokens += [
                _Linear(rows, width, 4 * width, needs_input_gradient=first),
                _Linear(rows, 5 * width, width),
            ]
            self.add_attention(rows, tokens, width)
        self.add_modulation(2, width)
        self.tokens.append(_Linear(image_tokens, width, config["in_channels"]))


class _QwenImage(_Transformer):
    """Qwen-Image. Adapters sit beside all projections of the blocks."""

    def __init__(self, config, image_tokens, text_tokens):
        super().__init__()
        width = config["num_attention_heads"] * config["attention_head_dim"]
        layers, tokens = config["num_layers"], image_tokens + text_tokens
        self.prompt.append(_Linear(
            text_tokens, config["joint_attention_dim"], width, needs_input_gradient=_NOTHING))
        self.add_condition(width, config)
        self.tokens.append(_Linear(
            image_tokens, config["in_channels"], width, needs_input_gradient=_NOTHING))
        for layer in range(layers):
            last = layer == layers - 1
            # Before the first block only all weights learn.
            first = (True, layer > 0)
            # Of the last block only the image goes on: of its text, keys and values are needed.
            self.add_modulation(8 if last else 12, width, first)
            self.tokens += [_Linear(image_tokens, width, width, True, first)] * 3
            self.tokens += [_Linear(text_tokens, width, width, True, first)] * (2 if last else 3)
            for rows in (image_tokens,) if last else (image_tokens, text_tokens):
                self.tokens += [
                    _Linear(rows, width, width, True), _Linear(rows, width, 4 * width, True),
                    _Linear(rows, 4 * width, width, True),
                ]
            self.add_attention(image_tokens if last else tokens, tokens, width)
        self.add_modulation(2, width)
        self.tokens.append(_Linear(
            image_tokens, width, config["patch_size"] ** 2 * config["out_channels"]))


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
    # diffusers has 128 for FLUX and Qwen-Image.
    side = config.get("sample_size", 128)
    if recipe.resolution:
        vae = configuration("vae/config.json")
        halvings = vae.get("temperal_downsample") or vae["block_out_channels"][1:]
        side = recipe.resolution // 2 ** len(halvings)
    if recipe.pipeline == "FluxPipeline":
        return _Flux(config, (side // 2) ** 2, recipe.max_sequence_length)
    if recipe.pipeline == "QwenImagePipeline":
        # As if every prompt had the most rows: they are known to the tokenizer alone.
        return _QwenImage(config, (side // 2) ** 2, recipe.max_sequence_length)
    text = configuration("text_encoder/config.json")["max_position_embeddings"]
    has_t5 = configuration("model_index.json").get("text_encoder_3", [None])[0] is not None
    # Without T5 its rows are zeros, all equal.
    text += recipe.max_sequence_length if has_t5 else 1
    return _SD3(config, (side // config["patch_size"]) ** 2, text)
