/// About how much memory a run takes, in bytes.
package struct MemoryPlan: Encodable, Sendable, Equatable {
  /// All networks of the model folder.
  package var weights: Int
  /// What learns beside the weights: adapters, gradients, both moments of AdamW, the average, and
  /// the copy that is set aside while the average is evaluated.
  package var learning: Int
  /// Latents, velocities and noises of one epoch's rollout.
  package var rollout: Int
  /// What the largest forward pass keeps for its backward pass.
  package var activations: Int

  package var total: Int { weights + learning + rollout + activations }

  private enum CodingKeys: String, CodingKey {
    case weights, learning, rollout, activations, total
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(weights, forKey: .weights)
    try container.encode(learning, forKey: .learning)
    try container.encode(rollout, forKey: .rollout)
    try container.encode(activations, forKey: .activations)
    try container.encode(total, forKey: .total)
  }

  init(_ recipe: TrainingRecipe, _ model: ModelOutline) {
    let sampling = recipe.sampling
    let guided = sampling.guidance == 1 ? 1 : 2
    let trunks = recipe.prompts.perEpoch * sampling.trunksPerPrompt
    let born = sampling.method == .tempflow ? sampling.trainedStepCount * sampling.branches : 1
    weights =
      recipe.learning == .full
      ? model.weightBytes + 4 * model.transformerParameters : model.weightBytes
    learning = 4 * model.learnedParameters * (recipe.learning == .full ? 5 : 6)
    // Twice the wavefront (before and after a step), and x and v of every pair.
    let front = min(trunks, sampling.trunksAtOnce ?? trunks) * (1 + born)
    rollout = 4 * model.latentCount * (2 * front + 2 * recipe.pairsPerEpoch)
    activations = model.activationBytesPerRow * recipe.optimizer.microBatch * guided
  }
}
