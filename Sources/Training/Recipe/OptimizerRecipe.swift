internal import Recipes
package import TorchNN

/// The `optimizer` section (AdamW).
package struct OptimizerRecipe: Sendable, Equatable {
  package var settings: AdamW.Configuration
  /// Share of the run, at its end, in which the learning rate falls linearly to 0; 0...1.
  package var cooldown: Double
  /// Maximum norm of all gradients together; larger gradients are scaled down.
  package var maxGradNorm: Double
  /// Optimizer updates of one epoch; the first is on-policy.
  package var updatesPerEpoch: Int
  /// Training samples of one forward and backward pass at most.
  package var microBatch: Int
}

extension OptimizerRecipe {
  init(_ section: RecipeSection) {
    settings = AdamW.Configuration(learningRate: section.double("learning_rate", in: .above(0)))
    let betas = section.list(
      "betas", of: .double(in: 0..<1), count: 2...2,
      default: [settings.beta1, settings.beta2])
    settings.beta1 = betas[0]
    settings.beta2 = betas[1]
    settings.weightDecay = section.double("weight_decay", in: 0...1, default: settings.weightDecay)
    cooldown = section.double("cooldown", in: 0...1, default: 0)
    settings.epsilon = section.double("epsilon", in: .above(0), default: settings.epsilon)
    maxGradNorm = section.double("max_grad_norm", in: .above(0), default: 1)
    updatesPerEpoch = section.int("updates_per_epoch", in: 1...10_000)
    microBatch = section.int("micro_batch", in: 1...65536, default: 64)
  }
}

extension OptimizerRecipe {
  /// The learning rate where `progress` of a run has passed, 0...1: constant, then linear to 0.
  package func learningRate(at progress: Double) -> Double {
    guard cooldown > 0 else { return settings.learningRate }
    return settings.learningRate * min(1, max(0, 1 - progress) / cooldown)
  }
}

/// The exponential moving average of the trainable parameters: the `ema` section.
package struct EMARecipe: Sendable, Equatable {
  /// Maximum decay, 0 ... 1; with 0 every averaging step copies the weights.
  package var decay: Double
  /// Optimizer updates between two averaging steps.
  package var updateEvery: Int
}

extension EMARecipe {
  init(_ section: RecipeSection) {
    decay = section.double("decay", in: 0...1, default: 0.9)
    updateEvery = section.int("update_every", in: 1..., default: 8)
    if decay == 0, section.isGiven("update_every"), updateEvery > 1 {
      section.warn(
        "update_every", "with decay 0 the average is the weights of \(updateEvery) updates ago")
    }
  }
}
