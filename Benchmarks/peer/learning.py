"""Rewards to advantages to gradients to weights.

B pairs, K branches of a pair. `published` evaluates a pair K times, once for each branch; `tuned`
once, since the branches share x. The gradient is the same.
"""

import torch

from flow import log_probability, micro_batches


def advantages(rewards, clip):
    """(R - mean) / (std + 1e-4) over the K branches of a pair: [R, T, K] -> the same."""
    deviation = rewards.std(-1, correction=0, keepdim=True)
    return ((rewards - rewards.mean(-1, keepdim=True)) / (deviation + 1e-4)).clamp(-clip, clip)


class Learner:
    """Trains the model from rollouts."""

    def __init__(self, model, steps, *, shared):
        """`shared` evaluates a pair once for all branches."""
        recipe = model.recipe
        self.model, self.recipe, self.shared = model, recipe, shared
        self.sigma, self.a, self.b, self.w = (
            torch.tensor([getattr(steps[i], name) for i in recipe.trained_steps])
            for name in ("sigma", "a", "b", "w")
        )
        # c w, which averages to 1 over the trained steps.
        self.weight = self.w / self.w.mean()
        self.parameters = model.trainable
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon,
            weight_decay=recipe.weight_decay, fused=True,
        )
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.updates = 0

    def gradient(self, rollout, advantage, pairs, condition, owners):
        """Adds one update's gradient; returns the largest change of a log-probability.

        `pairs` are numbers step * T + trunk.
        """
        trunks, count = rollout.latents.shape[1], self.recipe.branches
        samples = torch.tensor(pairs)
        rows = [tensor.flatten(0, 1) for tensor in (
            rollout.latents, rollout.next_latents, rollout.log_probabilities, advantage)]
        if not self.shared:
            # Every branch is a sample of its own: [pairs K, ..., 1].
            branch = torch.arange(count).repeat(len(pairs))
            samples = samples.repeat_interleave(count)
        worst = 0.0
        for part in micro_batches(len(samples), self.recipe.training_micro_batch):
            chosen = samples[part]
            x = rows[0][chosen]
            if self.shared:
                following, old, a = (tensor[chosen] for tensor in rows[1:])
            else:
                following, old, a = (
                    tensor[chosen, branch[part]].unsqueeze(1) for tensor in rows[1:])
            step, trunk = chosen // trunks, chosen % trunks
            loss, change = self._loss(
                x, following, old, a, step, condition.select(owners[trunk]))
            (loss * (len(chosen) / len(samples))).backward()
            worst = max(worst, change)
        return worst

    def _loss(self, x, following, old, advantage, step, condition):
        """x [B, ...], following [B, K, ...], old and advantage [B, K], step [B]."""
        def column(values):
            return values[step].view(-1, 1, 1, 1)

        def mean(velocity):
            return column(self.a) * x + column(self.b) * velocity

        new_mean = mean(self.model.velocity(x, self.sigma[step], condition))
        w = self.w[step].unsqueeze(1)
        change = log_probability(following, new_mean.unsqueeze(1), w) - old
        ratio, limit = change.exp(), self.recipe.clip_range
        scaled = -self.weight[step].unsqueeze(1) * advantage
        loss = torch.maximum(scaled * ratio, scaled * ratio.clamp(1 - limit, 1 + limit)).mean()
        if self.recipe.kl_beta > 0:
            with self.model.without_adapters():
                reference = mean(self.model.velocity(x, self.sigma[step], condition))
            distance = (new_mean - reference).square().flatten(1).mean(1, keepdim=True)
            loss = loss + self.recipe.kl_beta * (distance / (2 * w**2)).mean()
        return loss, change.detach().abs().max().item()

    def step(self):
        """Clips the gradient, moves the weights and their average; returns the gradient's norm."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        decay = min(self.recipe.ema_decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        if self.updates % self.recipe.ema_interval == 0:
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)
        return norm.item()


def learn(learner, rollout, epoch_updates, condition, owners, phases):
    """All updates of an epoch; returns their gradient norms and the first one's worst change of a
    log-probability, 0 up to rounding."""
    advantage = advantages(rollout.rewards, learner.recipe.advantage_clip).float()
    norms, first = [], None
    for pairs in epoch_updates:
        with phases.measure("training"):
            change = learner.gradient(rollout, advantage, pairs, condition, owners)
        with phases.measure("optimizer"):
            norms.append(learner.step())
        first = change if first is None else first
    return norms, first
