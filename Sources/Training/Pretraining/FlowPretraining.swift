import DiffusionModels
import Torch
import TorchNN

/// The second stage: flow matching in the latents of the rendered images (arXiv 2403.03206); an
/// editing model has the latents of the source images beside the prompts.
///
/// With data x, noise e and a logit-normal sigma, the input is (1 - sigma) x + sigma e and the
/// target is the velocity e - x; the loss is the mean squared error.
struct FlowPretraining {
  let recipe: FlowRecipe
  private let model: any PretrainableModel
  /// The averaged weights, which are measured and saved.
  let average: ExponentialMovingAverage
  private let optimizer: AdamW
  private let trainable: [ParameterStore.Named]

  init(_ recipe: FlowRecipe, _ model: any PretrainableModel) {
    self.recipe = recipe
    self.model = model
    trainable = model.pretrainedParameters
    optimizer = AdamW(trainable, recipe.stage.optimizer)
    average = ExponentialMovingAverage(trainable, limit: recipe.emaDecay)
  }

  /// The training data: latents, the prompt of each, and all prompts as tokens.
  struct Data {
    let pool: LatentPool
    /// Per latent, an index into `tokens`.
    let promptIndices: [Int]
    /// Per text encoder, the tokens of every prompt.
    let tokens: [[[Int]]]
    /// Per text encoder, the tokens of the empty prompt.
    let emptyTokens: [[Int]]
  }

  /// Runs some of the stage's steps; `report` receives the number of completed steps and the loss.
  ///
  /// - Parameter steps: numbered from 0, continuing from the last call.
  /// - Throws: ``PretrainingError/notFinite`` as soon as a loss is not finite, or an error of
  ///   `report`, which stops the stage.
  func run(
    _ steps: Range<Int>, on data: Data, generator: Generator,
    report: (_ step: Int, _ loss: Double) throws(PretrainingError) -> Void
  ) throws(PretrainingError) {
    for step in steps {
      let loss = loss(data, generator)
      optimizer.take(step, of: recipe.stage, loss: loss, trainable)
      average.update()
      let value = loss.item()
      guard value.isFinite else { throw .notFinite(stage: "flow", step: step + 1) }
      try report(step + 1, value)
    }
  }

  /// The loss of one random batch. `-> []`
  private func loss(_ data: Data, _ generator: Generator) -> Tensor {
    let count = recipe.stage.batch
    let chosen = Tensor.randint(low: 0, high: data.pool.count, shape: [count], generator: generator)
    let latents = data.pool.latents.indexSelect(dim: 0, chosen)
    let dropped = Tensor.rand([count], generator: generator)
      .isLess(than: recipe.captionDropout).bools()
    let logit = Tensor.randn([count], generator: generator)
    let sigma = (logit * recipe.logitStd + recipe.logitMean).sigmoid()
    let noise = Tensor.randn(latents.shape, generator: generator)

    let share = sigma.reshaped([count, 1, 1, 1])
    let noised = latents + (noise - latents) * share
    let velocity = model.velocity(
      noised, sigma: sigma, tokens: tokens(of: chosen.ints(), dropped, data),
      sources: data.pool.sources?.indexSelect(dim: 0, chosen))
    return (velocity - (noise - latents)).squared().mean()
  }

  /// The tokens of the prompts of these latents, per text encoder; of the empty prompt if
  /// `dropped`.
  private func tokens(of indices: [Int], _ dropped: [Bool], _ data: Data) -> [[[Int]]] {
    zip(data.tokens, data.emptyTokens).map { tokens, empty in
      zip(indices, dropped).map { index, isDropped in
        isDropped ? empty : tokens[data.promptIndices[index]]
      }
    }
  }
}
