import Foundation

extension StageRecipe {
  /// The learning rate of a step: a linear warmup over `warmupSteps` times a half cosine over all
  /// steps, down to `finalShare` of the highest. `step` is in 0 ..< steps.
  package func learningRate(atStep step: Int) -> Double {
    let rise = warmupSteps > 0 ? min(1, Double(step + 1) / Double(warmupSteps)) : 1
    let fall = 0.5 * (1 + cos(.pi * Double(step) / Double(steps)))
    return learningRate * rise * (finalShare + (1 - finalShare) * fall)
  }
}
