"""The rollout of TempFlow-GRPO in both forms, which differ in the order of evaluations and compute
the same, and that of Flow-GRPO.

T trunks, R trained steps, K branches, latents of C x h x w. A sample of Flow-GRPO is a trunk with
one branch at every step.
"""

from dataclasses import dataclass

import torch

from flow import log_probability, micro_batches


@dataclass
class Rollout:
    """What training needs."""

    # x of every pair: [R, T, C, h, w]
    latents: torch.Tensor
    # Where the branches went: [R, T, K, C, h, w]
    next_latents: torch.Tensor
    # Of these moves, at the time: [R, T, K]
    log_probabilities: torch.Tensor
    # On the host: [R, T, K]
    rewards: torch.Tensor


class _Roller:
    """One epoch's rollout under way."""

    def __init__(self, model, steps, noise, condition, owners, scorer, phases):
        """`owners` says whose row of `condition` a trunk uses."""
        self.model, self.recipe, self.steps, self.noise = model, model.recipe, steps, noise
        self.condition, self.owners, self.scorer, self.phases = condition, owners, scorer, phases
        recipe = self.recipe
        sizes, device = (len(recipe.trained_steps), recipe.trunks), model.device
        self.latents = torch.empty(*sizes, *model.shape, device=device)
        self.next_latents = torch.empty(*sizes, recipe.branches, *model.shape, device=device)
        self.log_probabilities = torch.empty(*sizes, recipe.branches, device=device)
        # Positions r * T * K + t * K + k of the images in the order they are handed to the scorer.
        self.order = []

    def velocity(self, x, index, condition):
        """At step `index`: [B, C, h, w] -> the same."""
        sigma = torch.full((len(x),), self.steps[index].sigma, device=x.device)
        return self.model.velocity(x, sigma, condition)

    def branch(self, index, trunks, x, velocity):
        """Takes the stochastic step K times; [T', C, h, w] twice -> [T' K, C, h, w].

        Keeps what training needs if the step is trained.
        """
        step = self.steps[index]
        mean = step.mean(x, velocity).unsqueeze(1)
        born = mean + step.w * self.noise.branches(range(trunks.start, trunks.stop), index)
        if index in self.recipe.trained_steps:
            self.latents[index, trunks] = x
            self.next_latents[index, trunks] = born
            self.log_probabilities[index, trunks] = log_probability(born, mean, step.w)
        return born.flatten(0, 1)

    def positions(self, index, trunks):
        """Of the images of branches that leave `trunks` at step `index`."""
        count = self.recipe.branches
        first = index * self.recipe.trunks * count
        return list(range(first + trunks.start * count, first + trunks.stop * count))

    def hand_out(self, latents, positions):
        """Decodes finished latents and lets them be scored."""
        with self.phases.measure("decode"):
            for part in micro_batches(len(latents), self.recipe.decode_micro_batch):
                self.scorer.add(self.model.decode(latents[part]))
        self.order += positions

    def finish(self):
        with self.phases.measure("reward"):
            found = torch.from_numpy(self.scorer.finish())
        rewards = torch.empty_like(found)
        rewards[torch.tensor(self.order)] = found
        # One reward a branch, or one a trunk for all of its steps.
        shape = self.log_probabilities.shape
        rewards = rewards.view(-1, *shape[1:]).expand(shape)
        return Rollout(self.latents, self.next_latents, self.log_probabilities, rewards)


@torch.no_grad()
def published(model, steps, noise, condition, owners, scorer, phases):
    """As the published code does it: a group of trunks, then the branches of one step after those
    of another, each finished by model calls of its own, with their prompt's embeddings repeated."""
    roller = _Roller(model, steps, noise, condition, owners, scorer, phases)
    recipe, count = model.recipe, model.recipe.branches
    last = recipe.trained_steps[-1]
    with phases.measure("rollout"):
        for trunks in micro_batches(recipe.trunks, recipe.micro_batch):
            x = noise.initial(range(trunks.start, trunks.stop))
            embeddings = condition.select(owners[trunks])
            born = []
            for index in range(last + 1):
                velocity = roller.velocity(x, index, embeddings)
                born.append(roller.branch(index, trunks, x, velocity))
                x = steps[index].ode(x, velocity)
            repeated = condition.select(owners[trunks].repeat_interleave(count))
            for index, branches in enumerate(born):
                positions = roller.positions(index, trunks)
                for part in micro_batches(len(branches), recipe.micro_batch):
                    x, embeddings = branches[part], repeated.select(part)
                    for later in range(index + 1, recipe.steps):
                        x = steps[later].ode(x, roller.velocity(x, later, embeddings))
                    roller.hand_out(x, positions[part])
    return roller.finish()


@torch.no_grad()
def tuned(model, steps, noise, condition, owners, scorer, phases):
    """All that sits at one sigma together, trunks and branches of every age, in micro-batches cut
    as evenly as they go; embeddings are gathered for one call at a time."""
    roller = _Roller(model, steps, noise, condition, owners, scorer, phases)
    recipe, count = model.recipe, model.recipe.branches
    everyone = slice(0, recipe.trunks)
    last = recipe.trained_steps[-1]
    with phases.measure("rollout"):
        x, rows, positions = noise.initial(range(recipe.trunks)), owners, []
        for index in range(recipe.steps):
            velocity = torch.empty_like(x)
            for part in micro_batches(len(x), recipe.micro_batch):
                velocity[part] = roller.velocity(x[part], index, condition.select(rows[part]))
                if index == recipe.steps - 1:
                    finished = steps[index].ode(x[part], velocity[part])
                    roller.hand_out(finished, positions[part])
            if index > last:
                continue
            born = roller.branch(index, everyone, x[: recipe.trunks], velocity[: recipe.trunks])
            x = torch.cat([steps[index].ode(x, velocity), born])
            rows = torch.cat([rows, owners.repeat_interleave(count)])
            positions += roller.positions(index, everyone)
            if index == last:  # the trunks have done their part
                x, rows = x[recipe.trunks :], rows[recipe.trunks :]
    return roller.finish()


@torch.no_grad()
def flow_grpo(model, steps, noise, condition, owners, scorer, phases):
    """As the published code does it: a micro-batch of samples through all steps, then another.
    Every step is stochastic, also the last, which is not trained."""
    roller = _Roller(model, steps, noise, condition, owners, scorer, phases)
    recipe = model.recipe
    with phases.measure("rollout"):
        for trunks in micro_batches(recipe.trunks, recipe.micro_batch):
            x = noise.initial(range(trunks.start, trunks.stop))
            embeddings = condition.select(owners[trunks])
            for index in range(recipe.steps):
                x = roller.branch(index, trunks, x, roller.velocity(x, index, embeddings))
            roller.hand_out(x, roller.positions(0, trunks))
    return roller.finish()
