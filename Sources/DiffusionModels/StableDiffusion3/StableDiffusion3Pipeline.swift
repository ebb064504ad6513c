public import FlowMatching
import Torch
public import TorchNN

/// Stable Diffusion 3 and 3.5: prompts to latents to images (diffusers'
/// `StableDiffusion3Pipeline`).
///
/// B samples, latents `[B, C, h, w]`, images of H x W pixels.
public struct StableDiffusion3Pipeline: FlowModel {
  public let transformer: StoredNetwork<SD3Transformer2DModel>
  public let autoencoder: StoredNetwork<AutoencoderKL>
  public let scheduler: SchedulerConfiguration
  /// The sizes of the images.
  public let geometry: ImageGeometry
  /// Text encoders; nil if prompt embeddings come from elsewhere, which saves their memory.
  public let text: SD3PromptEncoder?
  public var tileSide: Int?
  /// Tokens of a prompt for T5, or the number of zero rows in their place.
  public let maxSequenceLength: Int

  /// Which text components of a folder are loaded.
  public enum Text: Sendable {
    /// All of them; the value is the number of tokens of a prompt for T5, 1...512.
    case loaded(maxSequenceLength: Int = SD3PromptEncoder.defaultMaxSequenceLength)
    /// None: the caller has embeddings; the value is their number of tokens for T5.
    case absent(maxSequenceLength: Int = SD3PromptEncoder.defaultMaxSequenceLength)
  }

  /// Creates a pipeline from networks in memory.
  ///
  /// - Parameter imageSize: nil means a square of the transformer's sample size.
  /// - Throws: `PipelineError.inconsistent` if the parts are incompatible, `.imageSize`.
  public init(
    transformer: StoredNetwork<SD3Transformer2DModel>,
    autoencoder: StoredNetwork<AutoencoderKL>, text: SD3PromptEncoder?,
    scheduler: SchedulerConfiguration, imageSize: ImageSize? = nil
  ) throws(PipelineError) {
    try self.init(
      transformer, autoencoder, text, scheduler, imageSize,
      text?.maxSequenceLength ?? SD3PromptEncoder.defaultMaxSequenceLength, path: "pipeline")
  }

  /// Loads a pipeline folder in diffusers' layout.
  ///
  /// - Parameters:
  ///   - placement: device, precision and files of the networks.
  ///   - learning: the transformer's trainable parameters and its adapters; the other networks are
  ///     frozen.
  ///   - text: whether the text encoders are loaded as well.
  ///   - imageSize: nil means a square of the transformer's sample size.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, an impossible size.
  public init(
    folder: String, _ placement: Placement = Placement(),
    transformer learning: LearningSetup = .frozen, text: Text = .loaded(),
    imageSize: ImageSize? = nil
  ) throws(PipelineError) {
    _ = try SD3ModelIndex(folder: folder)
    try placement.checkVariant(folder: folder)
    let scheduler = try wrapping(PipelineError.scheduler) {
      () throws(SchedulerConfigurationError) in
      try SchedulerConfiguration(path: "\(folder)/scheduler/scheduler_config.json")
    }
    let encoder: SD3PromptEncoder?
    let length: Int
    switch text {
    case .loaded(let maxSequenceLength):
      length = maxSequenceLength
      encoder = try SD3PromptEncoder(folder: folder, placement, maxSequenceLength: length)
    case .absent(let maxSequenceLength):
      (length, encoder) = (maxSequenceLength, nil)
    }
    let transformer = try StoredNetwork(
      folder: "\(folder)/transformer", weights: diffusersWeights, placement: placement,
      learning: learning, build: SD3Transformer2DModel.init)
    let autoencoder = try StoredNetwork(
      folder: "\(folder)/vae", weights: diffusersWeights, placement: placement.ofAutoencoder,
      build: AutoencoderKL.init)
    try self.init(
      transformer, autoencoder, encoder, scheduler, imageSize, length, path: folder)
  }

  private init(
    _ transformer: StoredNetwork<SD3Transformer2DModel>,
    _ autoencoder: StoredNetwork<AutoencoderKL>, _ text: SD3PromptEncoder?,
    _ scheduler: SchedulerConfiguration, _ imageSize: ImageSize?,
    _ maxSequenceLength: Int, path: String
  ) throws(PipelineError) {
    let model = transformer.network.configuration
    let vae = autoencoder.network.configuration
    try require(
      vae.latentChannels == model.inChannels && model.inChannels == model.outChannels, path,
      "the autoencoder has \(vae.latentChannels) latent channels, the transformer "
        + "\(model.inChannels) in and \(model.outChannels) out")
    try require(vae.shiftFactor != nil, path, "the autoencoder has no shift_factor, which may be 0")
    try text?.check(SD3TextShape(model), path: path)
    geometry = try ImageGeometry(imageSize, model, vae, path: path)
    self.transformer = transformer
    self.autoencoder = autoencoder
    self.text = text
    self.scheduler = scheduler
    self.maxSequenceLength = maxSequenceLength
  }

  public var store: ParameterStore { transformer.store }

  /// Shape of the latents of `count` images.
  public func latentShape(count: Int) -> [Int] {
    [
      count, transformer.network.configuration.inChannels, geometry.latentHeight,
      geometry.latentWidth,
    ]
  }

  /// The sigmas of a sample in `stepCount` steps. A shift that depends on the image size is applied
  /// to the grid of the trained range, as diffusers does for this pipeline.
  public func schedule(stepCount: Int) -> FlowSchedule {
    FlowSchedule(
      scheduler, stepCount: stepCount, imageTokens: geometry.imageTokens, grid: .trainedRange)
  }
}
