"""Converts the published aesthetic head to `aesthetic.safetensors` for the reward `aesthetic`.

    python Tools/convert_aesthetic.py sac+logos+ava1-l14-linearMSE.pth CLIP_FOLDER   (torch, safetensors)

The file is in https://github.com/christophschuhmann/improved-aesthetic-predictor; CLIP_FOLDER is a copy of
https://huggingface.co/openai/clip-vit-large-patch14, to which the result is written.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LAYERS = [0, 2, 4, 6, 7]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help=".pth or .safetensors")
    parser.add_argument("clip_folder", type=Path)
    arguments = parser.parse_args()
    if arguments.checkpoint.suffix == ".safetensors":
        loaded = load_file(arguments.checkpoint)
    else:
        loaded = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    state = {key[key.index("layers.") :]: value for key, value in loaded.items() if "layers." in key}
    expected = {f"layers.{layer}.{kind}" for layer in LAYERS for kind in ("weight", "bias")}
    if len(loaded) != len(state) or set(state) != expected:
        raise SystemExit(f"{arguments.checkpoint}: its tensors are not {', '.join(sorted(expected))}")
    save_file(
        {key: value.contiguous() for key, value in state.items()},
        arguments.clip_folder / "aesthetic.safetensors",
    )


if __name__ == "__main__":
    main()
