"""The files that a run learns from, for its key: the prompts of training and the weights of the base model."""

import hashlib
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

    def of(self, settings: dict[str, str]) -> list:
        """The digests of the training prompts and of the transformer's weight files, by their names."""
        folder = self.path("model", settings) / "transformer"
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise FileError(f"{folder}: there is no *.safetensors")
        return [self.file(self.path("prompts.train", settings)), [[each.name, self.file(each)] for each in weights]]
