import DiffusionModels
import Recipes
import TempFlow
import Testing
import Torch
import TorchNN
import Training

/// The shortest complete recipe.
func recipeText(_ changes: [(String, String)] = []) -> String {
  var text = """
    model: model
    prompt_cache: text
    trainable: full
    prompts: {train: train.jsonl, evaluation: held-out.jsonl, per_epoch: 4}
    rewards: [{name: shapes}]
    sampling: {steps: 3, branches: 4}
    loss: {clip_range: 3e-2}
    optimizer: {learning_rate: 1e-3, updates_per_epoch: 2}
    epochs: 4

    """
  for (old, new) in changes {
    precondition(text.contains(old), "the recipe does not hold \(old)")
    text = text.replacing(old, with: new)
  }
  return text
}

/// Reads a recipe from text.
func readRecipe(_ text: String, _ overrides: [String] = []) throws -> Recipe<TrainingRecipe> {
  try TrainingRecipe.read(
    RecipeDocument(
      text: text, name: "recipe.yaml", folder: "/recipes", overrides: overrides,
      currentFolder: "/here"))
}

@Suite struct TrainingRecipeTests {
  private func messages(_ text: String, _ overrides: [String] = []) -> [String] {
    do {
      _ = try readRecipe(text, overrides)
      return []
    } catch let error as RecipeError {
      return error.issues.map(\.description)
    } catch {
      return ["another error: \(error)"]
    }
  }

  @Test func `the learning rate is constant and then falls linearly to zero`() throws {
    var optimizer = try readRecipe(recipeText()).settings.optimizer
    #expect([0, 0.5, 1].map(optimizer.learningRate) == [1e-3, 1e-3, 1e-3])
    optimizer.cooldown = 0.25
    #expect([0, 0.5, 0.75, 0.875, 1].map(optimizer.learningRate) == [1e-3, 1e-3, 1e-3, 5e-4, 0])
    optimizer.cooldown = 1
    #expect([0, 0.25, 1].map(optimizer.learningRate) == [1e-3, 7.5e-4, 0])
  }

  @Test func `in half precision training's own forward pass defines the old policy`() throws {
    for (dtype, expected) in [
      ("float32", LossRecipe.OldLogProb.rollout), ("bfloat16", .recomputed),
      ("float16", .recomputed),
    ] {
      let text = recipeText([("trainable: full", "trainable: lora\ndtype: \(dtype)")])
      let recipe = try readRecipe(text)
      #expect(recipe.settings.loss.oldLogProb == expected)
      #expect(recipe.resolved.text.contains("old_log_prob: \(expected.rawValue)"))
      let chosen = try readRecipe(text, ["loss.old_log_prob=rollout"])
      #expect(chosen.settings.loss.oldLogProb == .rollout)
    }
  }

  @Test func `gradients that are scaled by step already are not weighted by step again`() throws {
    for change in ["ratio: grpo_guard, ", ""] {
      let dynamics = change.isEmpty ? ", dynamics: cps" : ""
      let text = recipeText([
        ("clip_range: 3e-2", "\(change)clip_range: 3e-2"),
        ("branches: 4", "branches: 4\(dynamics)"),
      ])
      let recipe = try readRecipe(text)
      #expect(recipe.settings.loss.objective.weighting == .none)
      #expect(recipe.warnings.isEmpty)
      for weighting in [PolicyObjective.Weighting.noiseAware, .inverseNoise] {
        let chosen = try readRecipe(text, ["loss.weighting=\(weighting.rawValue)"])
        #expect(chosen.settings.loss.objective.weighting == weighting)
        let warnings = chosen.warnings.map(\.description)
        #expect(warnings.count == 1)
        #expect(
          warnings[0].contains(
            "already scales gradients by step, and \(weighting.rawValue) would again"))
      }
    }
  }

  @Test func `the options of the loss are read by their names`() throws {
    let usual = try readRecipe(recipeText()).settings
    #expect(usual.loss.objective == PolicyObjective(clipRange: 3e-2))
    #expect(usual.sampling.noiseLimit == nil)
    #expect(usual.sampling.stochasticDynamics == .flowSDE(noiseLevel: 0.7))
    let recipe = try readRecipe(
      recipeText([("clip_range: 3e-2", "clip_range: 3e-2, ratio: centered, average: active")]),
      [
        "loss.weighting=inverse_noise", "loss.kl_beta=0.1", "loss.kl_space=velocity",
        "sampling.noise_limit=0.45",
      ])
    #expect(recipe.warnings.isEmpty)
    #expect(
      recipe.settings.loss.objective
        == PolicyObjective(
          clipRange: 3e-2, klBeta: 0.1, klSpace: .velocity, weighting: .inverseNoise,
          ratio: .centered, average: .active))
    for (name, dynamics) in [
      ("flow_sde", Dynamics.flowSDE(noiseLevel: 0.7, noiseLimit: 0.45)),
      ("cps", .cps(noiseLevel: 0.7, noiseLimit: 0.45)),
      ("dance_sde", .danceSDE(eta: 0.7, noiseLimit: 0.45)),
    ] {
      let changes = [
        "sampling.noise_limit=0.45", "sampling.dynamics=\(name)", "sampling.noise_level=0.7",
      ]
      #expect(
        try readRecipe(recipeText(), changes).settings.sampling.stochasticDynamics == dynamics)
    }
    // Centered ratios keep the gradients of plain ones, and with them the weights.
    let centered = try readRecipe(recipeText(), ["loss.ratio=centered"])
    #expect(centered.settings.loss.objective.weighting == .noiseAware)
    #expect(centered.warnings.isEmpty)
    let again = try TrainingRecipe.read(
      RecipeDocument(text: recipe.resolved.text, name: "resolved", folder: "/elsewhere"))
    #expect(again.settings == recipe.settings)
  }

  @Test(arguments: [
    ("loss.ratio=center", "plain, centered, grpo_guard"),
    ("loss.weighting=noise_inverse", "noise_aware, inverse_noise, none"),
    ("loss.average=some", "all, active"),
    ("loss.kl_space=latent", "mean, velocity"),
    ("sampling.noise_limit=0", "must be above 0"),
    ("sampling.noise_limit=11", "at most 10"),
  ])
  func `values that options do not have are refused`(_ setting: String, _ message: String) {
    let found = messages(recipeText(), ["loss.kl_beta=0.1", setting])
    #expect(found.count == 1 && found[0].contains(message), "\(found)")
  }

  @Test func `options of the loss without effect or sense are warnings`() throws {
    for (changes, message) in [
      (["loss.kl_space=velocity"], "kl_space: has no effect: kl_beta is 0"),
      (
        ["loss.weighting=inverse_noise", "sampling.dynamics=dance_sde"],
        "inverse_noise evens out the steps of sampling.dynamics flow_sde"
      ),
    ] {
      let warnings = try readRecipe(recipeText(), changes).warnings.map(\.description)
      #expect(warnings.count == 1 && warnings[0].contains(message), "\(warnings)")
    }
  }

  @Test func `a run with too few updates for its average is warned`() throws {
    for (changes, expected) in [
      (["epochs=3"], 1), (["epochs=3", "ema.update_every=6"], 0),
      (["epochs=3", "ema.update_every=7"], 1),
    ] {
      let warnings = try readRecipe(recipeText(), changes).warnings.map(\.description)
      #expect(warnings.count == expected, "\(warnings)")
      #expect(warnings.allSatisfy { $0.contains("the run has 6 optimizer updates, fewer than") })
    }
  }

  @Test func `the noise level of CPS is an angle`() throws {
    let cps = ["sampling.dynamics=cps"]
    #expect(try readRecipe(recipeText(), cps).settings.sampling.noiseLevel == 0.8)
    #expect(
      try readRecipe(recipeText(), cps + ["sampling.noise_level=1"]).settings.sampling.noiseLevel
        == 1)
    let error = #expect(throws: RecipeError.self) {
      try readRecipe(recipeText(), cps + ["sampling.noise_level=1.2"])
    }
    #expect("\(error?.issues ?? [])".contains("must be at most 1 with cps dynamics"))
  }

  @Test func `a short recipe has the paper's settings for the rest`() throws {
    let recipe = try readRecipe(recipeText()).settings
    #expect(recipe.model == "/recipes/model")
    #expect(recipe.sampling.method == .tempflow)
    #expect(recipe.sampling.trainedSteps == .all)
    #expect(recipe.advantage.baseline == .seed && recipe.advantage.scale == .seed)
    #expect(recipe.sampling.tailStride == 1 && !recipe.finishesTrunks)
    #expect(recipe.advantage.clip == 5)
    #expect(recipe.loss.objective.weighting == .noiseAware)
    #expect(recipe.optimizer.settings.beta2 == 0.999)
    #expect(recipe.optimizer.maxGradNorm == 1)
    #expect(recipe.ema.decay == 0.9)
    #expect(recipe.ema.updateEvery == 8)
    #expect(recipe.dtype == .float32)
    #expect(recipe.device == .cpu)
    #expect(recipe.evaluation.steps == 3)
  }

  @Test func `a clip range is one number or two sides`() throws {
    let one = try readRecipe(recipeText([])).settings
    #expect(one.loss.objective.clipRange == ClipRange(3e-2))
    let two = try readRecipe(recipeText([("clip_range: 3e-2", "clip_range: [1e-4, 5e-4]")]))
      .settings
    #expect(two.loss.objective.clipRange == ClipRange(low: 1e-4, high: 5e-4))
    for (sides, message) in [
      ("[1e-4]", "the number of items must be"), ("[1e-4, 0]", "must be above 0"),
      ("[1e-4, a]", "expected a finite number"),
    ] {
      let found = messages(recipeText([("clip_range: 3e-2", "clip_range: \(sides)")]))
      #expect(found.count == 1 && found[0].contains(message), "\(found)")
    }
  }

  @Test func `a misspelled key is an error with its place and the nearest key`() {
    let found = messages(recipeText([("clip_range: 3e-2", "clip_rnge: 3e-2, clip_range: 1e-2")]))
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("recipe.yaml:7:8: "))
    #expect(found[0].contains("\"clip_rnge\""))
    #expect(found[0].contains("clip_range"))
  }

  @Test(arguments: [
    ("512", ImageSize(height: 512, width: 512)), ("[512, 768]", ImageSize(height: 512, width: 768)),
  ])
  func `a resolution is a side or height and width`(_ text: String, _ size: ImageSize) throws {
    let recipe = try readRecipe(recipeText() + "resolution: \(text)\n")
    #expect(recipe.settings.resolution == size)
    #expect(recipe.resolved.text.contains("resolution"))
    #expect(try readRecipe(recipeText()).settings.resolution == nil)
    #expect(messages(recipeText() + "resolution: [512]\n").count == 1)
    #expect(messages(recipeText() + "max_sequence_length: 100000\n").count == 1)
  }

  @Test func `a negative prompt without guidance is a warning`() throws {
    let text = recipeText([("branches: 4", "branches: 4, negative_prompt: blurry")])
    let warnings = try readRecipe(text).warnings.map(\.description)
    #expect(warnings.count == 1)
    #expect(warnings[0].contains("negative_prompt: has no effect: guidance_scale is 1"))
    let guided = text.replacing("branches: 4,", with: "branches: 4, guidance_scale: 2,")
    let recipe = try readRecipe(guided)
    #expect(recipe.warnings.isEmpty)
    #expect(recipe.settings.sampling.negativePrompt == "blurry")
  }

  @Test func `every error of a recipe is found in one reading`() {
    let found = messages(
      recipeText([
        ("epochs: 4", "epochs: 0"), ("branches: 4", "branches: many"),
        ("trainable: full", "trainable: fully"),
      ]))
    #expect(found.count == 3)
    #expect(found[0].contains("did you mean \"full\"?"))
  }

  @Test func `settings without effect are warnings`() throws {
    let text = recipeText() + "lora: {rank: 4}\nadvantage: {combination: gdpo}\n"
    let warnings = try readRecipe(text).warnings.map(\.description)
    #expect(warnings.count == 2)
    #expect(warnings.contains { $0.contains("lora: has no effect: trainable is full") })
    #expect(warnings.contains { $0.contains("combination: has no effect: there is one reward") })
  }

  @Test func `updates that do not divide the samples are refused with numbers that would`() {
    // 4 prompts x 1 seed x 2 trained steps = 8 training samples.
    let found = messages(recipeText([("updates_per_epoch: 2", "updates_per_epoch: 3")]))
    #expect(found.count == 1)
    #expect(found[0].contains("does not divide the 8 training samples"))
    #expect(found[0].contains("1, 2, 4 updates would"))
    #expect(found[0].contains("prompts.per_epoch 3 or 6"))
  }

  @Test(arguments: [
    ("all", BranchSteps.all), ("[0, 1]", .list([0, 1])), ("{first: 1}", .first(1)),
    ("{sliding: 2}", .sliding(2)), ("{random: 1}", .random(1)), ("{window: 2}", .window(2)),
    ("{random: 1, of: 2}", .random(1, of: 2)), ("{window: 1, of: 2}", .window(1, of: 2)),
  ])
  func `trained steps are written in several ways`(_ text: String, _ steps: BranchSteps) throws {
    let recipe = try readRecipe(
      recipeText([("branches: 4", "branches: 4, trained_steps: \(text)")]))
    #expect(recipe.settings.sampling.trainedSteps == steps)
  }

  @Test func `trained steps outside the schedule are refused`() {
    let found = messages(recipeText([("branches: 4", "branches: 4, trained_steps: [0, 2]")]))
    #expect(found.count == 1)
    #expect(found[0].contains("between 0 and 1"))
    let both = messages(
      recipeText([("branches: 4", "branches: 4, trained_steps: {first: 1, random: 1}")]))
    #expect(both.count == 1)
    #expect(both[0].contains("exactly one of first, sliding, random, window"))
    for (text, message) in [
      ("{window: 2, of: 1}", "between 2 and 2"), ("{window: 1, of: 3}", "between 1 and 2"),
      ("{first: 1, of: 2}", "unknown key \"of\""),
    ] {
      let found = messages(
        recipeText([("branches: 4", "branches: 4, trained_steps: \(text)")]))
      #expect(found.count == 1 && found[0].contains(message), "\(text): \(found)")
    }
  }

  @Test func `a group that holds one sample is refused`() {
    let lonely = messages(recipeText([("branches: 4", "branches: 1")]))
    #expect(lonely.count == 1)
    #expect(lonely[0].contains("branches: one sample of a prompt is no group to compare; use 2"))
  }

  @Test(arguments: [
    ("baseline: seed", "steps: 3", "branches: 1, seeds_per_prompt: 2", "branches is 1; use prompt"),
    ("baseline: seed", "steps: 3, method: flow_grpo", "branches: 4", "not branch; use prompt"),
    ("scale: seed", "steps: 3, method: flow_grpo_fast", "branches: 4", "use prompt, step, batch"),
    ("baseline: trunk", "steps: 3, method: flow_grpo", "branches: 4", "a sample has no trunk"),
    ("baseline: trunk", "steps: 3, method: flow_grpo_fast", "branches: 4", "has no trunk"),
    ("baseline: trunk, scale: seed", "steps: 3", "branches: 4", "seed has no deviation"),
    ("baseline: trunk, scale: prompt", "steps: 3", "branches: 4", "prompt has no deviation"),
    ("baseline: trunk, scale: max_group", "steps: 3", "branches: 1", "one branch has no deviation"),
    ("baseline: trunk", "steps: 3, tail: {stride: 2}", "branches: 4", "the trunk takes every step"),
    ("clip: 5", "steps: 3, tail: {stride: 2}, method: flow_grpo", "branches: 4", "has no branches"),
    ("clip: 5", "steps: 3, tail: {stride: 3}", "branches: 4", "stride: must be between 1 and 2"),
  ])
  func `advantages and tails without meaning are refused`(
    _ advantage: String, _ method: String, _ branches: String, _ message: String
  ) {
    let found = messages(
      recipeText([("steps: 3", method), ("branches: 4", branches)])
        + "advantage: {\(advantage)}\n")
    #expect(found.count == 1 && found[0].contains(message), "\(found)")
  }

  @Test(arguments: [
    ("baseline: seed", "branches: 4", AdvantageBaseline.seed, AdvantageScale.seed),
    ("baseline: prompt", "branches: 4", .prompt, .prompt),
    ("baseline: prompt, scale: step", "branches: 4", .prompt, .step),
    ("baseline: trunk", "branches: 4", .trunk, .batch),
    ("baseline: trunk", "branches: 1", .trunk, .batch),
    ("baseline: seed, scale: max_group", "branches: 4", .seed, .maxGroup),
    ("clip: 5", "branches: 4, method: flow_grpo", .prompt, .prompt),
  ])
  func `a scale has the default of its baseline`(
    _ text: String, _ branches: String, _ baseline: AdvantageBaseline, _ scale: AdvantageScale
  ) throws {
    let recipe = try readRecipe(
      recipeText([("branches: 4", branches)]) + "advantage: {\(text)}\n")
    #expect(recipe.settings.advantage.baseline == baseline)
    #expect(recipe.settings.advantage.scale == scale)
    #expect(recipe.settings.finishesTrunks == (baseline == .trunk))
    #expect(recipe.resolved.text.contains("scale: \(scale.rawValue)"))
  }

  @Test func `an unknown reward is refused with the names that exist`() {
    let found = messages(recipeText([("name: shapes", "name: shape")]))
    #expect(found.count == 1)
    #expect(found[0].contains("no reward is named \"shape\"; there is aesthetic, "))
    #expect(found[0].contains("clipscore, ") && found[0].contains("shapes"))
  }

  @Test func `adapters default to the attention projections and twice the rank`() throws {
    let text = recipeText([("trainable: full", "trainable: lora")]) + "lora: {rank: 4}\n"
    let plan = try #require(try readRecipe(text).settings.learning.adapters)
    #expect(plan.rank == 4)
    #expect(plan.alpha == 8)
    #expect(plan.targets.count == 8)
  }

  @Test func `the resolved recipe reads back to the same settings`() throws {
    let recipe = try readRecipe(
      recipeText([("branches: 4", "branches: 4, trained_steps: {sliding: 1}")]),
      ["seed=7", "evaluation.prompts=5"])
    let again = try TrainingRecipe.read(
      RecipeDocument(text: recipe.resolved.text, name: "resolved", folder: "/elsewhere"))
    #expect(again.settings == recipe.settings)
    #expect(again.resolved == recipe.resolved)
    #expect(again.warnings.isEmpty)
  }
}
