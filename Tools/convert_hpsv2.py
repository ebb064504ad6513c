"""Converts the published HPSv2 weights from open_clip's layout to a folder for the reward `hpsv2`.

    python Tools/convert_hpsv2.py HPS_v2.1_compressed.pt CLIP_FOLDER OUTPUT     (torch, safetensors)

HPS_v2_compressed.pt and HPS_v2.1_compressed.pt are in https://huggingface.co/xswu/HPSv2. CLIP_FOLDER is
a copy of https://huggingface.co/laion/CLIP-ViT-H-14-laion2B-s32B-b79K; only its tokenizer and preprocessor
files are needed, and they are copied. OUTPUT becomes a folder of transformers' CLIPModel.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

COPIED = [
    "preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
    "merges.txt", "tokenizer.json",
]
# Names of a block's layers in open_clip and in transformers.
LAYERS = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}


def block(state, source, target):
    """The tensors of one block, removed from `state`."""
    tensors = {}
    for kind in ("weight", "bias"):
        joined = state.pop(f"{source}.attn.in_proj_{kind}")
        for name, part in zip(("q_proj", "k_proj", "v_proj"), joined.chunk(3)):
            tensors[f"{target}.self_attn.{name}.{kind}"] = part
        for old, new in LAYERS.items():
            tensors[f"{target}.{new}.{kind}"] = state.pop(f"{source}.{old}.{kind}")
    return tensors


def blocks(state, source, target):
    """All blocks of a tower, and their number."""
    tensors, count = {}, 0
    while f"{source}.{count}.ln_1.weight" in state:
        tensors |= block(state, f"{source}.{count}", f"{target}.encoder.layers.{count}")
        count += 1
    return tensors, count


def converted(state, heads):
    """transformers' tensors and configuration."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    state.pop("attn_mask", None)
    vision, vision_layers = blocks(state, "visual.transformer.resblocks", "vision_model")
    text, text_layers = blocks(state, "transformer.resblocks", "text_model")
    names = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
        "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
        "visual.ln_post.weight": "vision_model.post_layernorm.weight",
        "visual.ln_post.bias": "vision_model.post_layernorm.bias",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "ln_final.weight": "text_model.final_layer_norm.weight",
        "ln_final.bias": "text_model.final_layer_norm.bias",
        "logit_scale": "logit_scale",
    }
    tensors = vision | text | {new: state.pop(old) for old, new in names.items()}
    tensors["visual_projection.weight"] = state.pop("visual.proj").T
    tensors["text_projection.weight"] = state.pop("text_projection").T
    if state:
        raise SystemExit(f"unknown tensors: {', '.join(sorted(state))}")

    def tower(name, layers):
        width, hidden = tensors[f"{name}.encoder.layers.0.mlp.fc2.weight"].shape
        return {
            "hidden_size": width, "intermediate_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads[name], "hidden_act": "gelu", "layer_norm_eps": 1e-5,
        }

    vocabulary = tensors["text_model.embeddings.token_embedding.weight"].shape[0]
    positions = tensors["text_model.embeddings.position_embedding.weight"].shape[0]
    patch = tensors["vision_model.embeddings.patch_embedding.weight"].shape[-1]
    patches = tensors["vision_model.embeddings.position_embedding.weight"].shape[0] - 1
    configuration = {
        "architectures": ["CLIPModel"], "model_type": "clip",
        "projection_dim": tensors["visual_projection.weight"].shape[0],
        # The end-of-text token has the highest id; open_clip also reads the prompt's embedding there.
        "text_config": tower("text_model", text_layers) | {
            "vocab_size": vocabulary, "max_position_embeddings": positions,
            "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1,
            "pad_token_id": vocabulary - 1,
        },
        "vision_config": tower("vision_model", vision_layers) | {
            "patch_size": patch, "image_size": round(patches**0.5) * patch,
        },
    }
    return {key: value.contiguous() for key, value in tensors.items()}, configuration


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clip_folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--vision-heads", type=int, default=16, help="16 in ViT-H/14")
    parser.add_argument("--text-heads", type=int, default=16, help="16 in ViT-H/14")
    arguments = parser.parse_args()
    loaded = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    heads = {"vision_model": arguments.vision_heads, "text_model": arguments.text_heads}
    tensors, configuration = converted(loaded.get("state_dict", loaded), heads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.output / "model.safetensors", metadata={"format": "pt"})
    (arguments.output / "config.json").write_text(json.dumps(configuration, indent=2) + "\n")
    for name in COPIED:
        if (arguments.clip_folder / name).exists():
            shutil.copyfile(arguments.clip_folder / name, arguments.output / name)


if __name__ == "__main__":
    main()
