"""Prints properties of this machine and its PyTorch as shell assignments for gpu-check."""

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path


def nvidia_smi(fields):
    command = ["nvidia-smi", "--id=0", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        return subprocess.run(
            command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def wheel():
    """The tag and the folder of the installed PyTorch."""
    found = importlib.metadata.distribution("torch")
    lines = (found.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
    return f"torch-{found.version}-{tags[0] if tags else 'unknown'}"


def missing():
    """Missing packages of random_checkpoint.py and of the benchmark's Python program."""
    names = "accelerate diffusers numpy peft pillow protobuf pyyaml sentencepiece transformers".split()
    absent = []
    for name in names:
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            continue
        if name == "diffusers":
            needs = [need for need in found.requires or [] if "extra ==" not in need]
            names += [re.match(r"[\w.-]+", need)[0] for need in needs]
    # A declared dependency that diffusers does not use.
    return sorted(set(absent) - {"importlib_metadata"})


def main():
    try:
        import torch
    except Exception as error:  # any reason why it does not load
        print(f"{type(error).__name__}: {error}")
        sys.exit(1)
    folder = Path(torch.__file__).parent
    # The wheels of NVIDIA's libraries, in the layouts of CUDA 13 and before.
    libraries = [folder / "lib", *sorted(folder.parent.glob("nvidia/*/lib"))]
    has_cuda = torch.cuda.is_available()
    values = {
        "torch": folder,
        "torch_libraries": ":".join(map(str, libraries)),
        "torch_version": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "wheel": wheel(),
        "has_cuda": has_cuda,
        "missing_packages": " ".join(missing()),
        "gpu": nvidia_smi("name,memory.total")
        or (torch.cuda.get_device_name(0) if has_cuda else "no GPU"),
        "driver": nvidia_smi("driver_version") or "unknown",
        "glibc": os.confstr("CS_GNU_LIBC_VERSION").split()[-1],
    }
    for name, value in values.items():
        print(f"{name}={shlex.quote(str(value))}")


main()
