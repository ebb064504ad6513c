"""Rewards to advantages to gradients to weights.

B pairs, K branches of a pair. `published` evaluates a pair K times, once for each branch; `tuned`
once, since the branches share x. The gradient is the same.
"""

from dataclasses import dataclass

import torch

from flow import log_probability, micro_batches
from model import Condition


def advantages(rewards, recipe):
    """(R - mean) / (std + 1e-4) at each step over the K branches of a trunk, or over all samples of
    a prompt: [R, T, K] -> the same."""
    groups = rewards
    if recipe.group == "prompt":
        groups = rewards.reshape(len(rewards), recipe.prompts_per_epoch, -1)
    deviation = groups.std(-1, correction=0, keepdim=True)
    normalized = (groups - groups.mean(-1, keepdim=True)) / (deviation + 1e-4)
    limit = recipe.advantage_clip
    return normalized.clamp(-limit, limit).view(rewards.shape)


@dataclass
class _Part:
    """A micro-batch of B samples, each a pair with K of its branches, or with one."""

    # Of the update's samples.
    share: float
    # Where its moves stand in a tensor [R T, K, ...]: pairs [B, 1], branches [B, K].
    moves: tuple[torch.Tensor, torch.Tensor]
    # [B]
    step: torch.Tensor
    # [B, C, h, w]
    x: torch.Tensor
    # [B, K, C, h, w]
    following: torch.Tensor
    condition: Condition


class Learner:
    """Trains the model from rollouts."""

    def __init__(self, model, steps, *, shared):
        """`shared` evaluates a pair once for all branches."""
        recipe = model.recipe
        self.model, self.recipe, self.shared = model, recipe, shared
        self.sigma, self.a, self.b, self.w = (
            torch.tensor(
                [getattr(steps[i], name) for i in recipe.trained_steps], device=model.device)
            for name in ("sigma", "a", "b", "w")
        )
        # c w, which averages to 1 over the trained steps, or no weights.
        is_weighted = recipe.weighting == "noise_aware"
        self.weight = self.w / self.w.mean() if is_weighted else torch.ones_like(self.w)
        self.parameters = model.trainable
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon,
            weight_decay=recipe.weight_decay, fused=True,
        )
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.updates = 0

    def gradient(self, rollout, advantage, pairs, condition, owners, old=None):
        """Adds one update's gradient; returns the largest change of a log-probability since the
        rollout.

        `pairs` are numbers step * T + trunk; `old` are the log-probabilities that the ratios
        compare with, [R T, K], or None for the ones of this very pass.
        """
        rolled_out, advantage = rollout.log_probabilities.flatten(0, 1), advantage.flatten(0, 1)
        worst = torch.zeros((), device=rolled_out.device)
        for part in self._parts(rollout, pairs, condition, owners):
            mean, new = self._evaluate(part)
            before = new.detach() if old is None else old[part.moves]
            loss = self._loss(part, mean, new - before, advantage[part.moves])
            (loss * part.share).backward()
            change = (new.detach() - rolled_out[part.moves]).abs().max()
            worst = torch.maximum(worst, change)
        return worst

    @torch.no_grad()
    def recompute(self, rollout, updates, condition, owners):
        """The log-probabilities by the forward passes of these updates: [R T, K], of other pairs
        the rollout's."""
        found = rollout.log_probabilities.flatten(0, 1).clone()
        for pairs in updates:
            for part in self._parts(rollout, pairs, condition, owners):
                found[part.moves] = self._evaluate(part)[1]
        return found

    def _parts(self, rollout, pairs, condition, owners):
        """The micro-batches of an update."""
        trunks, count = rollout.latents.shape[1], self.recipe.branches
        latents, following = rollout.latents.flatten(0, 1), rollout.next_latents.flatten(0, 1)
        # The branches of each sample: all of its pair, or one.
        samples = pairs.unsqueeze(1)
        branches = torch.arange(count, device=pairs.device).expand(len(pairs), -1)
        if not self.shared:
            samples, branches = samples.repeat_interleave(count, 0), branches.reshape(-1, 1)
        for part in micro_batches(len(samples), self.recipe.training_micro_batch):
            moves = (samples[part], branches[part])
            chosen = samples[part].squeeze(1)
            yield _Part(
                share=len(chosen) / len(samples), moves=moves, step=chosen // trunks,
                x=latents[chosen], following=following[moves],
                condition=condition.select(owners[chosen % trunks]),
            )

    def _mean(self, part):
        """Where the present velocity leads: [B, C, h, w]."""
        def column(values):
            return values[part.step].view(-1, 1, 1, 1)

        velocity = self.model.velocity(part.x, self.sigma[part.step], part.condition)
        return column(self.a) * part.x + column(self.b) * velocity

    def _evaluate(self, part):
        """The mean, and the log-probabilities of the moves from it, [B, K]."""
        mean = self._mean(part)
        w = self.w[part.step].unsqueeze(1)
        return mean, log_probability(part.following, mean.unsqueeze(1), w)

    def _loss(self, part, mean, change, advantage):
        """`change` of the log-probabilities, and advantage: [B, K]."""
        ratio, limit = change.exp(), self.recipe.clip_range
        scaled = -self.weight[part.step].unsqueeze(1) * advantage
        loss = torch.maximum(scaled * ratio, scaled * ratio.clamp(1 - limit, 1 + limit)).mean()
        if self.recipe.kl_beta > 0:
            with self.model.without_adapters():
                reference = self._mean(part)
            distance = (mean - reference).square().flatten(1).mean(1, keepdim=True)
            w = self.w[part.step].unsqueeze(1)
            loss = loss + self.recipe.kl_beta * (distance / (2 * w**2)).mean()
        return loss

    def step(self):
        """Clips the gradient, moves the weights and their average; returns the gradient's norm."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        decay = min(self.recipe.ema_decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        if self.updates % self.recipe.ema_update_every == 0:
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)
        return norm


def learn(learner, rollout, epoch_updates, condition, owners, phases):
    """All updates of an epoch; returns their gradient norms and the first one's worst change of a
    log-probability, 0 up to rounding."""
    device, recomputed = learner.model.device, learner.recipe.old_log_prob == "recomputed"
    advantage = advantages(rollout.rewards, learner.recipe).float().to(device)
    updates = torch.tensor(epoch_updates, device=device)
    old = rollout.log_probabilities.flatten(0, 1)
    if recomputed:
        with phases.measure("training"):
            old = learner.recompute(rollout, updates[1:], condition, owners)
    norms, changes = [], []
    for index, pairs in enumerate(updates):
        with phases.measure("training"):
            before = None if recomputed and index == 0 else old
            changes.append(
                learner.gradient(rollout, advantage, pairs, condition, owners, before))
        with phases.measure("optimizer"):
            norms.append(learner.step())
    # Read once everything is queued, so that a CUDA device is never waited for in between.
    return torch.stack(norms).tolist(), changes[0].item()
