"""Converts the published files of ImageReward to a folder for the reward `imagereward`.

ImageReward.pt is in the Hugging Face repository THUDM/ImageReward, vocab.txt in
google-bert/bert-base-uncased. The folder becomes model.safetensors with the tensors that affect a
score, config.json and vocab.txt.

    python Tools/convert_imagereward.py ImageReward.pt vocab.txt FOLDER    (torch, safetensors)
"""

import argparse
import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

USED = re.compile(
    r"blip\.visual_encoder\.(cls_token|pos_embed|patch_embed|blocks|norm)\b|"
    r"blip\.text_encoder\.(embeddings|encoder)\.|mlp\.layers\."
)


def used(state):
    """The tensors of the network; the file also holds parts for BLIP's pretraining."""
    return {
        key: value.contiguous() for key, value in state.items()
        if USED.match(key) and not key.endswith("position_ids")
    }


def configuration(state, head_width=64):
    """The configuration from the tensors' shapes and the width of an attention head."""
    vision, text = "blip.visual_encoder", "blip.text_encoder"
    vision_width, _, patch, _ = state[f"{vision}.patch_embed.proj.weight"].shape
    vocabulary, width = state[f"{text}.embeddings.word_embeddings.weight"].shape
    side = round((state[f"{vision}.pos_embed"].shape[1] - 1) ** 0.5)

    def layers(prefix):
        found = (re.match(re.escape(prefix) + r"\.(\d+)\.", key) for key in state)
        return 1 + max(int(match[1]) for match in found if match)

    linears = sorted(
        (int(key.split(".")[2]), value.shape[0]) for key, value in state.items()
        if re.fullmatch(r"mlp\.layers\.\d+\.weight", key)
    )
    return {
        "architectures": ["ImageReward"],
        "head_widths": [outputs for _, outputs in linears[:-1]],
        "hidden_size": width,
        "image_size": side * patch,
        "intermediate_size": state[f"{text}.encoder.layer.0.intermediate.dense.weight"].shape[0],
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": state[f"{text}.embeddings.position_embeddings.weight"].shape[0],
        "num_attention_heads": width // head_width,
        "num_hidden_layers": layers(f"{text}.encoder.layer"),
        "patch_size": patch,
        "vision_heads": vision_width // head_width,
        "vision_layers": layers(f"{vision}.blocks"),
        "vision_width": vision_width,
        "vocab_size": vocabulary,
    }


def convert(state, folder, **options):
    """Writes config.json and model.safetensors."""
    tensors = used(state)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(configuration(tensors, **options), indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")
    save_file(tensors, folder / "model.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="ImageReward.pt")
    parser.add_argument("vocabulary", type=Path, help="vocab.txt of bert-base-uncased")
    parser.add_argument("folder", type=Path, help="the folder to write")
    arguments = parser.parse_args()
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True, mmap=True)
    convert(state, arguments.folder)
    shutil.copy(arguments.vocabulary, arguments.folder / "vocab.txt")


if __name__ == "__main__":
    main()
