"""Everything random, drawn as `tempflow` draws it: equal seeds give equal prompts, noise, updates.

Sources/TempFlow/Noise/NoiseSeed.swift, Sources/Training/Shuffle.swift, PromptOrder.swift and
UpdateSplit.swift are the definitions.
"""

import json

import torch

_MASK = (1 << 64) - 1
_INCREMENT = 0x9E3779B97F4A7C15


def _mix(value):
    """SplitMix64's increment and finalizer (Steele, Lea and Flood 2014)."""
    mixed = (value + _INCREMENT) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


def noise_seed(run, epoch, prompt, trunk, step, branch):
    """The seed of one random tensor; step -1 is the initial noise."""
    seed = _mix(run)
    for number in (epoch, prompt, trunk, step, branch):
        seed = _mix(seed ^ (number & _MASK))
    return seed


def normal(seeds, shape, device):
    """Standard normal tensors, one per seed, drawn on the device: [len(seeds), *shape]."""
    generator = torch.Generator(device)
    noise = torch.empty(len(seeds), *shape, device=device)
    for row, seed in zip(noise, seeds):
        torch.randn(shape, generator=generator.manual_seed(seed), out=row)
    return noise


def _permutation(count, *words):
    """The numbers below `count` in an order that `words` decide."""
    state = 0x54454D50464C4F57
    for word in words:
        state = _mix(state ^ word)

    def below(bound):
        nonlocal state
        threshold = ((1 << 64) - bound) % bound
        while True:
            value = _mix(state)
            state = (state + _INCREMENT) & _MASK
            product = value * bound
            if product & _MASK >= threshold:
                return product >> 64

    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def prompts_of_epoch(recipe, texts, epoch):
    """The prompts of an epoch: shuffled passes over the file."""
    chosen = []
    position = epoch * recipe.prompts_per_epoch
    while len(chosen) < recipe.prompts_per_epoch:
        shuffled_pass, offset = divmod(position, len(texts))
        order = _permutation(len(texts), recipe.seed, 0x70726F6D7074, shuffled_pass)
        taken = order[offset : offset + recipe.prompts_per_epoch - len(chosen)]
        chosen += taken
        position += len(taken)
    return [texts[index] for index in chosen]


def updates_of_epoch(recipe, epoch):
    """The (step, trunk) pairs of each update, as numbers step * trunks + trunk."""
    order = _permutation(recipe.pairs, recipe.seed, 0x757064617465, epoch)
    size = recipe.pairs // recipe.updates_per_epoch
    return [order[start : start + size] for start in range(0, recipe.pairs, size)]


def read_prompts(path):
    """The prompts of a file: JSON lines with `prompt`, or one prompt a line."""
    lines = [line.strip() for line in path.read_text().split("\n") if line.strip()]
    return [json.loads(line)["prompt"] for line in lines] if path.suffix == ".jsonl" else lines


class Noise:
    """The noise of one epoch for samples of one shape."""

    def __init__(self, recipe, epoch, shape, device):
        self.recipe, self.epoch, self.shape, self.device = recipe, epoch, shape, device

    def _seed(self, trunk, step, branch):
        prompt, seed = divmod(trunk, self.recipe.seeds_per_prompt)
        return noise_seed(self.recipe.seed, self.epoch, prompt, seed, step, branch)

    def initial(self, trunks):
        """[T, C, h, w]"""
        return normal([self._seed(trunk, -1, 0) for trunk in trunks], self.shape, self.device)

    def branches(self, trunks, step):
        """[T, K, C, h, w]"""
        count = self.recipe.branches
        seeds = [self._seed(trunk, step, branch) for trunk in trunks for branch in range(count)]
        return normal(seeds, self.shape, self.device).unflatten(0, (len(trunks), count))
