import DiffusionModels
import Torch
import TorchNN

/// The first stage: trains an autoencoder on rendered images.
///
/// Loss: mean |x' - x| + a mean (x' - x)^2 + k D, with D the KL divergence of the latents'
/// distribution from the standard normal per latent element.
struct AutoencoderTraining {
  let recipe: AutoencoderRecipe
  let store: ParameterStore
  let model: AutoencoderKL
  private let optimizer: AdamW

  /// A new autoencoder for images of `size` x `size` pixels, with initial weights from `generator`.
  init(
    _ recipe: AutoencoderRecipe, size: Int, generator: Generator
  ) throws(ParameterError) {
    self.recipe = recipe
    store = ParameterStore(.random(generator), trainable: .full)
    model = try AutoencoderKL(recipe.configuration(size: size), store.root)
    try store.finish()
    optimizer = AdamW(store.trainable, recipe.stage.optimizer)
  }

  /// Runs all steps and freezes the weights; `report` receives the step's number and loss.
  ///
  /// - Throws: ``PretrainingError/notFinite`` as soon as a loss is not finite, or an error of
  ///   `report`, which stops the stage.
  func run(
    on images: RenderedImages, generator: Generator,
    report: (_ step: Int, _ loss: Double) throws(PretrainingError) -> Void
  ) throws(PretrainingError) {
    let stage = recipe.stage
    for step in 0..<stage.steps {
      let batch = images.batch(
        .randint(low: 0, high: images.count, shape: [stage.batch], generator: generator))
      let loss = loss(batch, generator)
      optimizer.take(step, of: stage, loss: loss, store.trainable)
      let value = loss.item()
      guard value.isFinite else {
        throw .notFinite(stage: "autoencoder", step: step + 1)
      }
      try report(step + 1, value)
    }
    store.freeze()
  }

  /// The trained network with the measured statistics of its latents in the configuration.
  func measured(
    shift: Double, scale: Double
  ) throws(ParameterError) -> StoredNetwork<AutoencoderKL> {
    var configuration = model.configuration
    configuration.shiftFactor = shift
    configuration.scalingFactor = scale
    let weights = Dictionary(uniqueKeysWithValues: store.weights.map { ($0.name, $0.tensor) })
    let copy = ParameterStore(.checkpoint(weights, origin: "autoencoder"))
    let network = try AutoencoderKL(configuration, copy.root)
    try copy.finish()
    return StoredNetwork(network, copy)
  }

  /// `[B, 3, h, w]` in -1...1 -> one number
  private func loss(_ images: Tensor, _ generator: Generator) -> Tensor {
    let distribution = model.encode(images)
    let latents = distribution.sample(generator)
    let difference = model.decode(latents) - images
    let elements = Double(latents.count / images.shape[0])
    return difference.abs().mean() + difference.squared().mean() * recipe.mseWeight
      + distribution.divergenceFromStandardNormal().mean() * (recipe.klWeight / elements)
  }
}

extension AutoencoderRecipe {
  /// The network's configuration before its latents are measured.
  func configuration(size: Int) -> AutoencoderKLConfiguration {
    var configuration = AutoencoderKLConfiguration(blockOutChannels: channels)
    configuration.layersPerBlock = layersPerBlock
    configuration.latentChannels = latentChannels
    configuration.normNumGroups = normGroups
    configuration.sampleSize = size
    configuration.useQuantConv = false
    configuration.usePostQuantConv = false
    configuration.midBlockAddAttention = false
    return configuration
  }
}

extension StageRecipe {
  /// The optimizer's settings; its learning rate is set in every step.
  var optimizer: AdamW.Configuration {
    AdamW.Configuration(
      learningRate: learningRate, beta1: 0.9, beta2: 0.99, weightDecay: weightDecay)
  }
}

extension AdamW {
  /// One optimizer step on `loss`, at the stage's learning rate for `step`.
  func take(
    _ step: Int, of stage: StageRecipe, loss: Tensor, _ parameters: [ParameterStore.Named]
  ) {
    configuration.learningRate = stage.learningRate(atStep: step)
    zeroGradients()
    loss.backward()
    clipGradientNorm(parameters, limit: stage.maxGradNorm)
    self.step()
  }
}
