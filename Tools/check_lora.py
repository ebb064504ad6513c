"""Checks that Python programs compute the same from TempFlow's LoRA files as tempflow does.

    python Tools/check_lora.py --model Models/shapes --lora runs/demo/adapters

Exports the adapters with `tempflow export` in every layout and merged, samples with
`tempflow sample` and with diffusers from the same noise, and prints the relative difference of the
final latents:

    peft        PeftModel.from_pretrained on the transformer
    diffusers   StableDiffusion3Pipeline.load_lora_weights
    kohya       diffusers has no loader for it: W + alpha / rank * up @ down in the layers of the
                original checkpoint, renamed by diffusers' conversion of that checkpoint
    merged      StableDiffusion3Pipeline.from_pretrained

Then `tempflow sample` reads files saved by peft and diffusers. The exit status is 1 if a relative
error is above 1e-4. Requires torch, diffusers, transformers, peft and safetensors.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"  # read when imported
warnings.simplefilter("ignore")

import diffusers  # noqa: E402
import torch  # noqa: E402
from diffusers import StableDiffusion3Pipeline  # noqa: E402
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers  # noqa: E402
from peft import PeftModel, get_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

LIMIT = 1e-4

diffusers.logging.set_verbosity_error()


def load(folder):
    """A pipeline in float32; for diffusers, an absent T5 is an explicit None."""
    index = json.loads((Path(folder) / "model_index.json").read_text())
    absent = {
        name: None
        for name in ("text_encoder_3", "tokenizer_3")
        if (index.get(name) or [None])[0] is None
    }
    pipeline = StableDiffusion3Pipeline.from_pretrained(folder, local_files_only=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(torch.float32)


def original_zeros(config):
    """The original checkpoint's linear layers, all zero, by key."""
    width = config.num_attention_heads * config.attention_head_dim
    shapes = {
        "x_embedder.proj": (1, 1),
        "context_embedder": (config.caption_projection_dim, config.joint_attention_dim),
        "t_embedder.mlp.0": (width, 256),
        "t_embedder.mlp.2": (width, width),
        "y_embedder.mlp.0": (width, config.pooled_projection_dim),
        "y_embedder.mlp.2": (width, width),
        "final_layer.adaLN_modulation.1": (2 * width, width),
        "final_layer.linear": (config.patch_size**2 * config.out_channels, width),
    }
    for block in range(config.num_layers):
        is_last, is_dual = block == config.num_layers - 1, block in config.dual_attention_layers
        for side in ("x_block", "context_block"):
            name = f"joint_blocks.{block}.{side}"
            ends = is_last and side == "context_block"
            height = 2 if ends else 9 if is_dual and side == "x_block" else 6
            shapes[f"{name}.adaLN_modulation.1"] = (height * width, width)
            shapes[f"{name}.attn.qkv"] = (3 * width, width)
            if not ends:
                shapes[f"{name}.attn.proj"] = (width, width)
                shapes[f"{name}.mlp.fc1"] = (4 * width, width)
                shapes[f"{name}.mlp.fc2"] = (width, 4 * width)
        if is_dual:
            shapes[f"joint_blocks.{block}.x_block.attn2.qkv"] = (3 * width, width)
            shapes[f"joint_blocks.{block}.x_block.attn2.proj"] = (width, width)
    zeros = {f"{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    zeros |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    return zeros | {"pos_embed": torch.zeros(1)}


def add_kohya(transformer, tensors):
    """Adds a kohya LoRA to the weights of diffusers' transformer."""
    original = original_zeros(transformer.config)
    keys = {key.removesuffix(".weight").replace(".", "_"): key for key in original}
    layers = {key.split(".")[0] for key in tensors}
    for layer in layers:
        down = tensors[f"{layer}.lora_down.weight"].float()
        up = tensors[f"{layer}.lora_up.weight"].float()
        scale = tensors[f"{layer}.alpha"].item() / down.shape[0]
        original[keys[layer.removeprefix("lora_unet_")]] = scale * up @ down
    updates = convert_sd3_transformer_checkpoint_to_diffusers(original)
    weights = transformer.state_dict()
    with torch.no_grad():
        for key, update in updates.items():
            if not key.startswith("pos_embed") and update.abs().sum() > 0:
                weights[key] += update
    return transformer


def by_peft(model, path):
    pipeline = load(model)
    pipeline.transformer = PeftModel.from_pretrained(pipeline.transformer, path).base_model.model
    return pipeline


def by_diffusers(model, path):
    pipeline = load(model)
    pipeline.load_lora_weights(path)
    return pipeline


def by_conversion(model, path):
    pipeline = load(model)
    add_kohya(pipeline.transformer, load_file(path))
    return pipeline


class Check:
    """The settings of all samples, and the largest error so far."""

    def __init__(self, options, folder):
        self.options, self.folder, self.worst = options, folder, 0.0
        config = load(options.model).transformer.config
        generator = torch.Generator().manual_seed(5)
        shape = (1, config.in_channels, config.sample_size, config.sample_size)
        self.latents = torch.randn(shape, generator=generator)
        save_file({"latents": self.latents}, folder / "noise.safetensors")

    def tempflow(self, *arguments):
        command = [str(self.options.tempflow), *map(str, arguments)]
        outcome = subprocess.run(command, capture_output=True, text=True)
        if outcome.returncode:
            sys.exit(f"{' '.join(command)}\n{outcome.stderr}")

    def ours(self, lora=None, model=None):
        """The final latents of tempflow."""
        result = self.folder / "ours.safetensors"
        adapters = ("--lora", lora) if lora else ()
        self.tempflow(
            "sample", "--model", model or self.options.model, *adapters,
            "--prompt", self.options.prompt, "--steps", self.options.steps,
            "--guidance-scale", self.options.guidance_scale, "--output", self.folder / "images",
            "--initial-latents", self.folder / "noise.safetensors", "--save-latents", result,
        )
        return load_file(result)["latents"]

    def theirs(self, pipeline):
        """The final latents of diffusers."""
        side = self.latents.shape[2] * pipeline.vae_scale_factor
        with torch.no_grad():
            return pipeline(
                prompt=[self.options.prompt], num_inference_steps=self.options.steps,
                guidance_scale=self.options.guidance_scale, latents=self.latents.clone(),
                height=side, width=side, output_type="latent",
            ).images.float()

    def compare(self, name, found, expected):
        error = ((found - expected).norm() / expected.norm()).item()
        # A NaN is the worst of all, and `max` would drop it.
        self.worst = max(self.worst, error if math.isfinite(error) else math.inf)
        print(f"{name:44} {error:.1e}")


def check(options, folder):
    checking = Check(options, folder)
    expected = checking.ours(lora=options.lora)
    effect = (expected - checking.ours()).norm() / expected.norm()
    print(f"{'effect of the adapters':44} {effect:.1e}")
    if not effect > LIMIT:
        sys.exit("failed: the adapters change nothing, so any layout would pass; take trained ones")
    ways = {"peft": by_peft, "diffusers": by_diffusers, "kohya": by_conversion}
    for layout, read in ways.items():
        path = folder / (layout if layout == "peft" else f"{layout}.safetensors")
        checking.tempflow("export", options.lora, "--format", layout, "--output", path)
        pipeline = read(options.model, path)
        checking.compare(f"{layout}, read in Python", checking.theirs(pipeline), expected)
        checking.compare(f"{layout}, read by tempflow", checking.ours(lora=path), expected)
        if layout == "diffusers":
            adapted = pipeline
    merged = folder / "merged"
    checking.tempflow(
        "export", options.lora, "--merge", "--model", options.model, "--output", merged
    )
    checking.compare("merged, read in Python", checking.theirs(load(merged)), expected)
    checking.compare("merged, read by tempflow", checking.ours(model=merged), expected)
    for name, path in saved_in_python(adapted, options.model, folder).items():
        checking.compare(f"{name}, read by tempflow", checking.ours(lora=path), expected)
    return checking.worst


def saved_in_python(adapted, model, folder):
    """The same adapters, saved by diffusers and by peft."""
    transformer = adapted.transformer
    adapter, config = next(iter(transformer.peft_config.items()))
    layers = get_peft_model_state_dict(transformer, adapter_name=adapter)
    StableDiffusion3Pipeline.save_lora_weights(
        folder / "saved", transformer_lora_layers=layers,
        transformer_lora_adapter_metadata=config.to_dict(),
    )
    loaded = PeftModel.from_pretrained(load(model).transformer, folder / "peft")
    loaded.save_pretrained(folder / "saved-peft")
    return {
        "saved by diffusers": folder / "saved" / "pytorch_lora_weights.safetensors",
        "saved by peft": folder / "saved-peft",
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lora", type=Path, required=True)
    parser.add_argument("--tempflow", type=Path, default=Path(".build/release/tempflow"))
    parser.add_argument("--prompt", default="a photo of two red circles")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        worst = check(options, Path(folder))
    print("passed" if worst <= LIMIT else f"failed: a relative error is above {LIMIT}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
