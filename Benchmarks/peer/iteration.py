"""One iteration of TempFlow-GRPO or Flow-GRPO: roll out, score, compare, learn."""

import torch

import draws
import flow
from flux import Flux
from learning import Learner, learn
from model import ModelOptions
from phases import Phases
from qwen_image import QwenImage
from rewards import Scorer
from rollout import flow_grpo, published, tuned
from sd3 import StableDiffusion3

# By the pipeline class of the model's folder.
FAMILIES = {
    "StableDiffusion3Pipeline": StableDiffusion3, "FluxPipeline": Flux,
    "QwenImagePipeline": QwenImage,
}
FORMS = ("published", "tuned")
# By method and form; without branches the forms are the same.
ROLLOUTS = {
    "tempflow": {"published": published, "tuned": tuned},
    "flow_grpo": {"published": flow_grpo, "tuned": flow_grpo},
}


class Trainer:
    """A model that learns, epoch by epoch."""

    def __init__(self, recipe, form, epochs, options=ModelOptions()):
        self.recipe, self.rollout = recipe, ROLLOUTS[recipe.method][form]
        texts = draws.read_prompts(recipe.prompts)
        self.prompts = [draws.prompts_of_epoch(recipe, texts, epoch) for epoch in range(epochs)]
        texts = [prompt for prompts in self.prompts for prompt in prompts]
        self.model = FAMILIES[recipe.pipeline](recipe, texts, options)
        self.steps = flow.steps(self.model.sigmas, recipe.noise_level)
        self.learner = Learner(self.model, self.steps, shared=form == "tuned")
        trunks = torch.arange(recipe.trunks, device=self.model.device)
        self.owners = trunks // recipe.seeds_per_prompt
        self.scorer = Scorer()

    def roll_out(self, epoch, phases):
        condition = self.model.condition(self.prompts[epoch])
        noise = draws.Noise(self.recipe, epoch, self.model.shape, self.model.device)
        rollout = self.rollout(
            self.model, self.steps, noise, condition, self.owners, self.scorer, phases)
        return rollout, condition

    def epoch(self, epoch):
        """Runs one; returns its seconds by phase, and what it found."""
        phases = Phases(self.model.device)
        with phases.measure("all"):
            rollout, condition = self.roll_out(epoch, phases)
            norms, change = learn(
                self.learner, rollout, draws.updates_of_epoch(self.recipe, epoch), condition,
                self.owners, phases)
        found = {
            "reward_mean": rollout.rewards.mean().item(), "gradient_norms": norms,
            "log_probability_deviation": change,
        }
        return phases.seconds(), found
