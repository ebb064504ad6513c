public import DiffusionModels
public import FlowMatching
public import Torch
import TorchNN

/// Stable Diffusion 3 and 3.5: prompts to latents to images (diffusers'
/// `StableDiffusion3Pipeline`).
///
/// B samples, latents `[B, C, h, w]`, images of H x W pixels.
public struct StableDiffusion3Pipeline {
  public let transformer: StoredNetwork<SD3Transformer2DModel>
  public let autoencoder: StoredNetwork<AutoencoderKL>
  public let scheduler: SchedulerConfiguration
  /// The sizes of the images it makes.
  public let geometry: ImageGeometry
  /// Text encoders; nil where conditions come from elsewhere, so that no memory is spent on them.
  public let text: PromptEncoder?
  /// Latents larger than this are decoded in tiles, which bounds memory; nil decodes them whole.
  public var tile: TileSize?

  /// What is read of a folder's text encoders.
  public enum Text: Sendable {
    /// Everything; prompts have so many tokens for T5, 1...512.
    case loaded(maxSequenceLength: Int = PromptEncoder.defaultMaxSequenceLength)
    /// Nothing: the caller has conditions.
    case absent
  }

  /// A pipeline of networks in memory.
  ///
  /// - Parameter imageSize: nil is a square of the transformer's sample size.
  /// - Throws: `PipelineError.inconsistent` if the parts do not fit together, `.imageSize`.
  public init(
    transformer: StoredNetwork<SD3Transformer2DModel>,
    autoencoder: StoredNetwork<AutoencoderKL>, text: PromptEncoder?,
    scheduler: SchedulerConfiguration, imageSize: ImageSize? = nil
  ) throws(PipelineError) {
    try self.init(transformer, autoencoder, text, scheduler, imageSize, path: "pipeline")
  }

  /// Reads a pipeline folder in diffusers' layout.
  ///
  /// - Parameters:
  ///   - placement: device, precision and files of the networks.
  ///   - learning: which of the transformer's parameters learn, and its adapters; the other
  ///     networks are frozen.
  ///   - text: whether the text encoders are read, too.
  ///   - imageSize: nil is a square of the transformer's sample size.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not fit, an impossible size.
  public init(
    folder: String, _ placement: Placement = Placement(),
    transformer learning: LearningSetup = .frozen, text: Text = .loaded(),
    imageSize: ImageSize? = nil
  ) throws(PipelineError) {
    _ = try ModelIndex(folder: folder)
    try placement.checkVariant(folder: folder)
    let scheduler = try wrapping(PipelineError.scheduler) {
      () throws(SchedulerConfigurationError) in
      try SchedulerConfiguration(path: "\(folder)/scheduler/scheduler_config.json")
    }
    var encoder: PromptEncoder?
    if case .loaded(let length) = text {
      encoder = try PromptEncoder(folder: folder, placement, maxSequenceLength: length)
    }
    let transformer = try StoredNetwork(
      folder: "\(folder)/transformer", weights: diffusersWeights, placement: placement,
      learning: learning, build: SD3Transformer2DModel.init)
    let autoencoder = try StoredNetwork(
      folder: "\(folder)/vae", weights: diffusersWeights, placement: placement.ofAutoencoder,
      build: AutoencoderKL.init)
    try self.init(transformer, autoencoder, encoder, scheduler, imageSize, path: folder)
  }

  private init(
    _ transformer: StoredNetwork<SD3Transformer2DModel>,
    _ autoencoder: StoredNetwork<AutoencoderKL>, _ text: PromptEncoder?,
    _ scheduler: SchedulerConfiguration, _ imageSize: ImageSize?, path: String
  ) throws(PipelineError) {
    let model = transformer.network.configuration
    let vae = autoencoder.network.configuration
    try require(
      vae.latentChannels == model.inChannels && model.inChannels == model.outChannels, path,
      "the autoencoder has \(vae.latentChannels) latent channels, the transformer "
        + "\(model.inChannels) in and \(model.outChannels) out")
    try require(vae.shiftFactor != nil, path, "the autoencoder has no shift_factor, which may be 0")
    try text?.check(TransformerText(model), path: path)
    geometry = try ImageGeometry(imageSize, model, vae, path: path)
    self.transformer = transformer
    self.autoencoder = autoencoder
    self.text = text
    self.scheduler = scheduler
  }

  /// The device of the networks.
  public var device: Device { transformer.store.device }

  /// The precision of the transformer.
  public var dtype: DType { transformer.store.weights[0].tensor.dtype }

  /// Shape of the latents of `count` images.
  public func latentShape(count: Int) -> [Int] {
    [
      count, transformer.network.configuration.inChannels, geometry.latentHeight,
      geometry.latentWidth,
    ]
  }

  /// The sigmas of a sample in `stepCount` steps. A shift that depends on the image size bends the
  /// grid of the trained range, as diffusers does for this pipeline.
  public func schedule(stepCount: Int) -> FlowSchedule {
    FlowSchedule(
      scheduler, stepCount: stepCount, imageTokens: geometry.imageTokens, grid: .trainedRange)
  }
}

let diffusersWeights = "diffusion_pytorch_model"
let transformersWeights = "model"
