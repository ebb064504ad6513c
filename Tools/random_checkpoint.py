"""Writes a pipeline folder with random weights: the published layout, keys, shapes and tokenizer
sizes of a model, without a download. For tests of commands, memory and speed; its images are noise.

    python Tools/random_checkpoint.py sd3.5-medium --output Models/random-sd3.5-medium
    python Tools/random_checkpoint.py sd3.5-medium --layers 2 --t5-layers 1 --output ...
    python Tools/random_checkpoint.py sd3.5-medium --size tiny --dtype float32 --output ...
    python Tools/random_checkpoint.py flux.1-dev --layers 2 --single-layers 2 --t5-layers 1 ...
    python Tools/random_checkpoint.py qwen-image --layers 2 --text-layers 1 --output ...

Requires torch, diffusers and transformers. Components are built and written one after the other, so
the memory needed is that of the largest: in bfloat16 5 GB for sd3.5-medium, 24 GB for flux.1-dev,
41 GB for qwen-image. Drawing its numbers takes minutes on a CPU and seconds with `--device cuda`.

The vocabulary of qwen-image is smaller than the published one: bytes, and words of prompts and of
their template, which has as many tokens as there.
"""

import argparse
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
)
from diffusers.models.embeddings import PatchEmbed
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

# The differences between the published transformers of a family, and between their schedules.
SD3_TRANSFORMERS = {
    "sd3-medium": {"num_layers": 24, "num_attention_heads": 24, "pos_embed_max_size": 192},
    "sd3.5-medium": {
        "num_layers": 24, "num_attention_heads": 24, "pos_embed_max_size": 384,
        "dual_attention_layers": tuple(range(13)), "qk_norm": "rms_norm",
    },
    "sd3.5-large": {
        "num_layers": 38, "num_attention_heads": 38, "pos_embed_max_size": 192,
        "qk_norm": "rms_norm",
    },
}
FLUX_TRANSFORMERS = {
    "flux.1-dev": {"guidance_embeds": True}, "flux.1-schnell": {"guidance_embeds": False},
    "flux.1-kontext": {"guidance_embeds": True},
}
FLUX_SCHEDULES = {
    "flux.1-dev": {"shift": 3.0, "use_dynamic_shifting": True},
    "flux.1-schnell": {"shift": 1.0, "use_dynamic_shifting": False},
    "flux.1-kontext": {"shift": 3.0, "use_dynamic_shifting": True},
}
CLIP_VOCABULARY = 49408
CLIP_TOKENS = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
# FLUX.1's file has numbers of another vocabulary. For an end of 2 transformers takes the pooled row
# where the number is largest, which is the first <|endoftext|>, too.
FLUX_CLIP_TOKENS = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
T5_VOCABULARY = 32128
T5_PIECES = 32000
# Of the published Qwen2.5-VL-7B, in the order of their numbers.
QWEN_SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
]
QWEN_SYSTEM = (
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:"
)
QWEN_TEMPLATE = f"<|im_start|>system\n{QWEN_SYSTEM}<|im_end|>\n<|im_start|>user\n"
# Tokens of the template before the prompt.
QWEN_TEMPLATE_TOKENS = 34
# Words of prompts beside those of the template.
QWEN_WORDS = (
    "assistant a an photo in on left right above below to with two three four red green blue "
    "yellow black white circle square triangle ring star"
)


def make(build, dtype, generator):
    """A model with random weights: built on the meta device, then filled."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            model = build()
    finally:
        torch.set_default_dtype(usual)
    model = model.to_empty(device=generator.device).eval().requires_grad_(False)
    if hasattr(model, "tie_weights"):  # to_empty splits T5's shared embedding table in two
        model.tie_weights()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.dim() == 1 or name.endswith("gamma"):
            parameter.fill_(1)
        else:
            parameter.normal_(std=0.02, generator=generator)
    return model


def sd3_transformer(arguments, generator):
    settings = dict(SD3_TRANSFORMERS[arguments.model])
    tiny = arguments.size == "tiny"
    if tiny:
        settings |= {"num_layers": 3, "num_attention_heads": 2, "pos_embed_max_size": 32}
    if arguments.layers:
        settings["num_layers"] = arguments.layers
    if "dual_attention_layers" in settings:
        last = 2 if tiny else settings["num_layers"]
        if arguments.dual_layers is not None:
            last = arguments.dual_layers
        settings["dual_attention_layers"] = tuple(
            layer for layer in settings["dual_attention_layers"] if layer < last
        )
    width = 64 * settings["num_attention_heads"]
    size = 16 if tiny else 128
    model = make(
        lambda: SD3Transformer2DModel(
            sample_size=size, patch_size=2, in_channels=16, out_channels=16,
            attention_head_dim=64, joint_attention_dim=64 if tiny else 4096,
            caption_projection_dim=width, pooled_projection_dim=64 if tiny else 2048, **settings,
        ),
        arguments.dtype, generator,
    )
    # The position embedding is a buffer that the class computes.
    model.pos_embed.pos_embed = PatchEmbed(
        height=size, width=size, patch_size=2, in_channels=16, embed_dim=width,
        pos_embed_max_size=settings["pos_embed_max_size"],
    ).pos_embed.to(arguments.dtype)
    return model


def flux_transformer(arguments, generator):
    settings = dict(FLUX_TRANSFORMERS[arguments.model])
    if arguments.size == "tiny":
        settings |= {
            "num_layers": 2, "num_single_layers": 2, "num_attention_heads": 8,
            "attention_head_dim": 16, "axes_dims_rope": (4, 6, 6), "joint_attention_dim": 64,
            "pooled_projection_dim": 32,
        }
    else:
        settings |= {
            "num_layers": 19, "num_single_layers": 38, "num_attention_heads": 24,
            "attention_head_dim": 128, "axes_dims_rope": (16, 56, 56), "joint_attention_dim": 4096,
            "pooled_projection_dim": 768,
        }
    if arguments.layers:
        settings["num_layers"] = arguments.layers
    if arguments.single_layers:
        settings["num_single_layers"] = arguments.single_layers
    return make(
        lambda: FluxTransformer2DModel(patch_size=1, in_channels=64, **settings),
        arguments.dtype, generator,
    )


def qwen_image_transformer(arguments, generator):
    settings = {
        "num_layers": 60, "num_attention_heads": 24, "attention_head_dim": 128,
        "axes_dims_rope": (16, 56, 56), "joint_attention_dim": 3584,
    }
    if arguments.size == "tiny":
        settings = {
            "num_layers": 2, "num_attention_heads": 4, "attention_head_dim": 16,
            "axes_dims_rope": (4, 6, 6), "joint_attention_dim": 64,
        }
    if arguments.layers:
        settings["num_layers"] = arguments.layers
    return make(
        lambda: QwenImageTransformer2DModel(
            patch_size=2, in_channels=64, out_channels=16, **settings
        ),
        arguments.dtype, generator,
    )


def qwen_image_autoencoder(arguments, generator):
    channels = 8 if arguments.tiny_autoencoder else 96
    return make(
        lambda: AutoencoderKLQwenImage(base_dim=channels), arguments.dtype, generator
    )


def autoencoder(arguments, generator, *, scale, shift):
    channels = (32, 32, 32, 32) if arguments.tiny_autoencoder else (128, 256, 512, 512)
    return make(
        lambda: AutoencoderKL(
            block_out_channels=channels, layers_per_block=2, latent_channels=16,
            norm_num_groups=32, sample_size=1024, scaling_factor=scale, shift_factor=shift,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            use_quant_conv=False, use_post_quant_conv=False,
        ),
        arguments.dtype, generator,
    )


def clip(arguments, generator, network, *, large=False, tokens=CLIP_TOKENS):
    width, layers, heads = (1280, 32, 20) if large else (768, 12, 12)
    if arguments.size == "tiny":
        width, layers, heads = 32, 2, 2
    return make(
        lambda: network(
            CLIPTextConfig(
                vocab_size=CLIP_VOCABULARY, hidden_size=width, intermediate_size=4 * width,
                projection_dim=width, num_hidden_layers=layers, num_attention_heads=heads,
                max_position_embeddings=77, hidden_act="gelu" if large else "quick_gelu",
                **tokens,
            )
        ),
        arguments.dtype, generator,
    )


class FluxClip:
    """CLIP's text model with the published keys; today's CLIPTextModel saves them unprefixed."""

    def __init__(self, arguments, generator):
        self.model = clip(arguments, generator, CLIPTextModel, tokens=FLUX_CLIP_TOKENS)

    def save_pretrained(self, folder):
        weights = self.model.state_dict()
        published = {f"text_model.{key}": weight for key, weight in weights.items()}
        self.model.save_pretrained(folder, state_dict=published)


def t5(arguments, generator):
    width, inner, heads = (64, 128, 2) if arguments.size == "tiny" else (4096, 10240, 64)
    return make(
        lambda: T5EncoderModel(
            T5Config(
                vocab_size=T5_VOCABULARY, d_model=width, d_kv=64, d_ff=inner, num_heads=heads,
                num_layers=arguments.t5_layers, feed_forward_proj="gated-gelu",
                tie_word_embeddings=False, use_cache=False,
            )
        ),
        arguments.dtype, generator,
    )


class QwenText:
    """Qwen2.5-VL with the published keys and config.json; today's class saves other ones."""

    def __init__(self, arguments, generator):
        tokens = len(qwen_tokens()[0]) + len(QWEN_SPECIALS)
        layers = arguments.text_layers or 28
        text = {
            "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28,
            "num_key_value_heads": 4, "num_hidden_layers": layers,
            "rope_scaling": {
                "mrope_section": [16, 24, 24], "rope_type": "default", "type": "default",
            },
        }
        # With fewer layers of text the tower, which no prompt needs, has one.
        vision = {
            "depth": 32 if layers == 28 else 1, "hidden_size": 1280, "intermediate_size": 3420,
            "num_heads": 16, "out_hidden_size": 3584, "patch_size": 14, "spatial_patch_size": 14,
            "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31] if layers == 28 else [0],
        }
        if arguments.size == "tiny":
            text |= {
                "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4,
                "num_key_value_heads": 2, "num_hidden_layers": arguments.text_layers or 2,
            }
            text["rope_scaling"] |= {"mrope_section": [2, 3, 3]}
            vision |= {
                "depth": 1, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2,
                "out_hidden_size": 64, "patch_size": 4, "spatial_patch_size": 4, "window_size": 16,
                "fullatt_block_indexes": [0],
            }
        text |= {
            "attention_dropout": 0.0, "bos_token_id": tokens - len(QWEN_SPECIALS),
            "eos_token_id": tokens - len(QWEN_SPECIALS) + 2, "hidden_act": "silu",
            "initializer_range": 0.02, "max_position_embeddings": 128000, "max_window_layers": 28,
            "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
            "use_cache": True, "use_sliding_window": False, "vocab_size": tokens,
        }
        vision |= {
            "hidden_act": "silu", "in_channels": 3, "in_chans": 3, "model_type": "qwen2_5_vl",
            "spatial_merge_size": 2, "temporal_patch_size": 2, "tokens_per_second": 2,
        }
        names = {"vision_start": 9, "vision_end": 10, "vision": 11, "image": 12, "video": 13}
        ids = {f"{name}_token_id": text["bos_token_id"] + place for name, place in names.items()}
        self.config = {
            **text, **ids, "architectures": ["Qwen2_5_VLForConditionalGeneration"],
            "model_type": "qwen2_5_vl", "text_config": {**text, "model_type": "qwen2_5_vl_text"},
            "tie_word_embeddings": False, "torch_dtype": str(arguments.dtype).split(".")[1],
            "transformers_version": "4.53.1", "vision_config": vision,
        }
        # The class changes the dictionaries it is given.
        config = Qwen2_5_VLConfig(**json.loads(json.dumps(self.config)))
        self.model = make(
            lambda: Qwen2_5_VLForConditionalGeneration(config), arguments.dtype, generator
        )

    def save_pretrained(self, folder):
        published = {
            key.replace("model.visual.", "visual.").replace("model.language_model.", "model."):
            weight for key, weight in self.model.state_dict().items()
        }
        self.model.save_pretrained(folder, state_dict=published)
        (folder / "generation_config.json").unlink(missing_ok=True)
        text = json.dumps(self.config, indent=2, sort_keys=True)
        (folder / "config.json").write_text(text + "\n")


def byte_characters():
    """The characters of the 256 bytes in byte-level vocabularies, printable ones first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = range(256, 512 - len(printable))
    return [chr(byte) for byte in printable] + [chr(code) for code in rest]


def clip_tokenizer(pad):
    """A tokenizer of CLIP's size whose merges are pairs of characters, common letters first."""
    characters = byte_characters()
    base = characters + [character + "</w>" for character in characters]
    letters = sorted(characters, key=lambda c: ("etaoinshrdlucmfwypvbgkjqxz".find(c) % 100, c))
    pairs = itertools.product(letters, (c + end for c in letters for end in ("", "</w>")))
    merges = list(itertools.islice(pairs, CLIP_VOCABULARY - len(base) - 2))
    tokens = base + [first + second for first, second in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return ClipFiles(tokens, merges, pad)


class ClipFiles:
    """A tokenizer folder in the published format; today's CLIPTokenizer saves another one."""

    def __init__(self, tokens, merges, pad):
        self.tokens, self.merges, self.pad = tokens, merges, pad

    def save_pretrained(self, folder):
        folder.mkdir(parents=True)
        vocabulary = {token: index for index, token in enumerate(self.tokens)}
        lines = [f"{first} {second}" for first, second in self.merges]
        names = {
            "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>", "pad_token": self.pad,
        }
        added = {
            str(vocabulary[token]): {
                "content": token, "lstrip": False, "normalized": token != "!", "rstrip": False,
                "single_word": False, "special": True,
            }
            for token in ("<|startoftext|>", "<|endoftext|>", self.pad)
        }
        settings = {
            "add_prefix_space": False, "added_tokens_decoder": added, "do_lower_case": True,
            "errors": "replace", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer",
            **names,
        }
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n")
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        (folder / "special_tokens_map.json").write_text(json.dumps(names, indent=2) + "\n")


def qwen_tokens():
    """Tokens and merges: bytes, and the words of the template and of prompts, letter by letter."""
    tokens, merges = byte_characters(), []
    words = [" " + word for word in re.findall(r"\w+", f"{QWEN_SYSTEM} {QWEN_WORDS}")]
    for word in [*words, "Describe", "system", "user", "assistant"]:
        # A space is a byte as others are, with this character.
        start, *rest = word.replace(" ", "\u0120")
        for letter in rest:
            if start + letter not in tokens:
                merges.append((start, letter))
                tokens.append(start + letter)
            start += letter
    return tokens, merges


class QwenTokenizer:
    """A tokenizer folder in the published format."""

    def save_pretrained(self, folder):
        folder.mkdir(parents=True)
        tokens, merges = qwen_tokens()
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        added = {
            str(len(tokens) + index): {
                "content": token, "lstrip": False, "normalized": False, "rstrip": False,
                "single_word": False, "special": True,
            }
            for index, token in enumerate(QWEN_SPECIALS)
        }
        settings = {
            "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": added,
            "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>",
            "errors": "replace", "model_max_length": 131072, "pad_token": "<|endoftext|>",
            "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
        }
        vocabulary = {token: index for index, token in enumerate(tokens)}
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
        (folder / "merges.txt").write_text("\n".join(lines) + "\n")
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        found = len(Qwen2Tokenizer.from_pretrained(folder)(QWEN_TEMPLATE).input_ids)
        assert found == QWEN_TEMPLATE_TOKENS, found


def t5_tokenizer():
    """A tokenizer of T5's size: characters, then pairs and triples of letters."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    characters = [chr(code) for code in range(33, 127)] + ["\u2581"]
    texts = itertools.chain(
        characters,
        ("\u2581" + letter for letter in letters),
        (first + second for first, second in itertools.product(letters, repeat=2)),
        ("".join(letters) for letters in itertools.product(letters, repeat=3)),
        ("\u2581" + "".join(letters) for letters in itertools.product(letters, repeat=3)),
    )
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [
        (text, -8.0 - index / 4000)
        for index, text in enumerate(itertools.islice(texts, T5_PIECES - len(special)))
    ]
    tokenizer = Tokenizer(models.Unigram(special + pieces, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return T5TokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        extra_ids=100, model_max_length=512,
    )


def sd3_components(arguments, generator):
    def text_encoder(large):
        return lambda: clip(arguments, generator, CLIPTextModelWithProjection, large=large)

    def if_present(*component):
        return component if arguments.t5_layers > 0 else None

    return {
        "transformer": (
            "SD3Transformer2DModel", lambda: sd3_transformer(arguments, generator)
        ),
        "vae": (
            "AutoencoderKL", lambda: autoencoder(arguments, generator, scale=1.5305, shift=0.0609)
        ),
        "text_encoder": ("CLIPTextModelWithProjection", text_encoder(large=False)),
        "text_encoder_2": ("CLIPTextModelWithProjection", text_encoder(large=True)),
        "text_encoder_3": if_present("T5EncoderModel", lambda: t5(arguments, generator)),
        "tokenizer": ("CLIPTokenizer", lambda: clip_tokenizer("<|endoftext|>")),
        "tokenizer_2": ("CLIPTokenizer", lambda: clip_tokenizer("!")),
        "tokenizer_3": if_present("T5TokenizerFast", t5_tokenizer),
        "scheduler": (
            "FlowMatchEulerDiscreteScheduler", lambda: FlowMatchEulerDiscreteScheduler(shift=3.0)
        ),
    }


def flux_components(arguments, generator):
    return {
        "transformer": (
            "FluxTransformer2DModel", lambda: flux_transformer(arguments, generator)
        ),
        "vae": (
            "AutoencoderKL", lambda: autoencoder(arguments, generator, scale=0.3611, shift=0.1159)
        ),
        "text_encoder": ("CLIPTextModel", lambda: FluxClip(arguments, generator)),
        "text_encoder_2": ("T5EncoderModel", lambda: t5(arguments, generator)),
        "tokenizer": ("CLIPTokenizer", lambda: clip_tokenizer("<|endoftext|>")),
        "tokenizer_2": ("T5TokenizerFast", t5_tokenizer),
        "scheduler": (
            "FlowMatchEulerDiscreteScheduler",
            lambda: FlowMatchEulerDiscreteScheduler(
                base_shift=0.5, max_shift=1.15, base_image_seq_len=256, max_image_seq_len=4096,
                **FLUX_SCHEDULES[arguments.model],
            ),
        ),
        "feature_extractor": None,
        "image_encoder": None,
    }


def qwen_image_components(arguments, generator):
    return {
        "transformer": (
            "QwenImageTransformer2DModel", lambda: qwen_image_transformer(arguments, generator)
        ),
        "vae": ("AutoencoderKLQwenImage", lambda: qwen_image_autoencoder(arguments, generator)),
        "text_encoder": (
            "Qwen2_5_VLForConditionalGeneration", lambda: QwenText(arguments, generator)
        ),
        "tokenizer": ("Qwen2Tokenizer", QwenTokenizer),
        "scheduler": (
            "FlowMatchEulerDiscreteScheduler",
            lambda: FlowMatchEulerDiscreteScheduler(
                base_shift=0.5, max_shift=0.9, base_image_seq_len=256, max_image_seq_len=8192,
                shift=1.0, shift_terminal=0.02, use_dynamic_shifting=True,
            ),
        ),
    }


@dataclass(frozen=True)
class Family:
    """Models of one pipeline class."""

    pipeline: str
    # Of diffusers, as model_index.json names it.
    version: str
    models: tuple[str, ...]
    # In the order of their random numbers: name to class and maker, or None for one that is absent.
    components: Callable[[argparse.Namespace, torch.Generator], dict]
    # Options that have no meaning here.
    without: tuple[str, ...]
    fewest_t5_layers: int = 0


FAMILIES = (
    Family(
        "StableDiffusion3Pipeline", "0.31.0", tuple(SD3_TRANSFORMERS), sd3_components,
        without=("single_layers", "text_layers"),
    ),
    Family(
        "FluxPipeline", "0.32.0", ("flux.1-dev", "flux.1-schnell"), flux_components,
        without=("dual_layers", "text_layers"), fewest_t5_layers=1,
    ),
    Family(
        "FluxKontextPipeline", "0.34.0", ("flux.1-kontext",), flux_components,
        without=("dual_layers", "text_layers"), fewest_t5_layers=1,
    ),
    Family(
        "QwenImagePipeline", "0.35.0", ("qwen-image",), qwen_image_components,
        without=("single_layers", "dual_layers", "t5_layers"),
    ),
)


def check(parser, arguments, family):
    """Ends the program with an error for settings that no folder can have."""
    for name in family.without:
        if getattr(arguments, name) is not None:
            parser.error(f"{arguments.model} has no --{name.replace('_', '-')}")
    if (arguments.t5_layers or 0) < family.fewest_t5_layers:
        parser.error(
            f"{family.pipeline} needs T5: --t5-layers must be at least {family.fewest_t5_layers}"
        )
    if arguments.output.exists():
        parser.error(f"{arguments.output} exists; remove it or choose another folder")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    families = {model: family for family in FAMILIES for model in family.models}
    parser.add_argument("model", choices=sorted(families))
    parser.add_argument("--output", type=Path, required=True, help="must not exist")
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument(
        "--layers", type=int,
        help="blocks of the transformer, in flux.1 those with two streams (the model's own)",
    )
    parser.add_argument(
        "--single-layers", type=int, help="blocks with one stream (the model's own), flux.1"
    )
    parser.add_argument(
        "--dual-layers", type=int,
        help="the number of first blocks with a second attention (the model's own), sd3.5-medium",
    )
    parser.add_argument(
        "--tiny-autoencoder", action="store_true",
        help="few channels in the autoencoder, which keeps decoding's share of the time with few "
        "blocks",
    )
    parser.add_argument(
        "--t5-layers", type=int,
        help="layers of the T5 encoder; the published one has 24, 0 leaves it out, which flux.1 "
        "cannot (0)",
    )
    parser.add_argument(
        "--text-layers", type=int,
        help="layers of the text encoder (the model's own, 28), qwen-image",
    )
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--device", default="cpu",
        help="the device that draws the numbers: cpu, or cuda, which is faster; they differ (cpu)",
    )
    arguments = parser.parse_args()
    family = families[arguments.model]
    check(parser, arguments, family)
    arguments.t5_layers = arguments.t5_layers or 0
    arguments.dtype = getattr(torch, arguments.dtype)
    arguments.tiny_autoencoder |= arguments.size == "tiny"
    generator = torch.Generator(arguments.device).manual_seed(arguments.seed)

    # Written beside the final folder and renamed, so that the final folder is always complete.
    partial = arguments.output.with_name(arguments.output.name + ".partial")
    index = {"_class_name": family.pipeline, "_diffusers_version": family.version}
    for name, component in family.components(arguments, generator).items():
        if component is None:
            index[name] = [None, None]
            continue
        class_name, build = component
        build().save_pretrained(partial / name)
        library = "transformers" if name.startswith(("text", "token")) else "diffusers"
        index[name] = [library, class_name]
        print(f"{name}: {class_name}", flush=True)
    (partial / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    partial.rename(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
