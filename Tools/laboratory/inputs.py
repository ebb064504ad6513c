"""The files that a run learns from, for its key: prompts with source images, and the weights of the base model."""

import hashlib
import json
import re
from pathlib import Path

from methods import FileError


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def recipe_text(path: str) -> str:
    """A recipe's lines without comments and blank lines."""
    lines = [line.rstrip() for line in Path(path).read_text().splitlines()]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def recipe_digest(path: str) -> str:
    return digest(recipe_text(path))


def entries(path: Path) -> list[dict]:
    """The lines of a prompt file that are JSON objects; texts alone name no image."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.lstrip().startswith("{")]


def texts(path: Path) -> set[str]:
    """The different texts of a prompt file."""
    return {entry["prompt"] for entry in entries(path)}


def images(path: Path) -> list[Path]:
    """The source images that the lines of a prompt file name, each once."""
    named = [entry["image"] for entry in entries(path) if "image" in entry]
    return sorted({path.parent / name for names in named for name in ([names] if isinstance(names, str) else names)})


class Inputs:
    """Digests of files, each read once."""

    def __init__(self, base: str):
        self.base = base
        text = recipe_text(base)
        prompts = re.search(r"^prompts:.*(?:\n[ \t].*)*", text, re.MULTILINE)
        self.named = {
            "prompts.train": prompts and re.search(r"\btrain:[ \t]*([^\s,}]+)", prompts[0]),
            "model": re.search(r"^model:[ \t]*(\S+)", text, re.MULTILINE),
        }
        self.digests: dict[Path, str] = {}
        self.prompt_digests: dict[Path, str | list] = {}

    def path(self, key: str, settings: dict[str, str]) -> Path:
        """What `--set` has, from the working directory, or what the base recipe has, from the recipe's folder."""
        if key in settings:
            return Path(settings[key])
        if not (found := self.named[key]):
            raise FileError(f"{self.base}: the key {key} is missing")
        return Path(self.base).parent / found[1].strip("'\"")

    def file(self, path: Path) -> str:
        if path not in self.digests:
            self.digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return self.digests[path]

    def prompts(self, path: Path) -> str | list:
        """The digest of a prompt file; with those of the images that it names, where it names some."""
        if path not in self.prompt_digests:
            found = images(path)
            own = self.file(path)
            self.prompt_digests[path] = [own, digest(" ".join(map(self.file, found)))] if found else own
        return self.prompt_digests[path]

    def of(self, settings: dict[str, str]) -> list:
        """The digests of the training prompts and of the transformer's weight files, by their names."""
        folder = self.path("model", settings) / "transformer"
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise FileError(f"{folder}: there is no *.safetensors")
        return [self.prompts(self.path("prompts.train", settings)), [[each.name, self.file(each)] for each in weights]]
