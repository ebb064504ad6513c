public import FlowMatching
public import Torch
public import TorchNN

/// FLUX.1-dev, FLUX.1-schnell and FLUX.1-Kontext: prompts to latents to images (diffusers'
/// `FluxPipeline` and `FluxKontextPipeline`).
///
/// B samples, latents `[B, C, h, w]`, packed inside the transformer alone; images of H x W pixels.
/// FLUX.1-dev has the guidance scale as an input of its network, FLUX.1-schnell has no guidance.
/// FLUX.1-Kontext edits a source image, which a ``FluxPromptEncoder`` encodes with the prompt.
public struct FluxPipeline: FlowModel {
  public let transformer: StoredNetwork<FluxTransformer2DModel>
  public let autoencoder: StoredNetwork<AutoencoderKL>
  public let scheduler: SchedulerConfiguration
  /// The text encoders of a model in training from scratch; nil for a model that was read.
  let text: FluxPromptEncoder?
  public let className: String
  /// The sizes of the images.
  public let geometry: ImageGeometry
  public let defaults: FlowModelDefaults
  public var tileSide: Int?

  /// Loads transformer, autoencoder and scheduler of a folder in diffusers' layout.
  ///
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, an impossible size.
  public init(_ source: ModelSource, training: LearningSetup) throws(PipelineError) {
    let (folder, placement) = (source.folder, source.placement)
    let className = try FluxModelIndex.check(folder)
    try placement.checkVariant(folder: folder)
    let scheduler = try wrapping(PipelineError.scheduler) {
      () throws(SchedulerConfigurationError) in
      try SchedulerConfiguration(path: "\(folder)/scheduler/scheduler_config.json")
    }
    try self.init(
      StoredNetwork(
        folder: "\(folder)/transformer", weights: diffusersWeights, placement: placement,
        learning: training, build: FluxTransformer2DModel.init),
      StoredNetwork(
        folder: "\(folder)/vae", weights: diffusersWeights, placement: placement.ofAutoencoder,
        build: AutoencoderKL.init),
      text: nil, scheduler, source.imageSize, try Self.defaults(of: folder),
      className: className, path: folder)
  }

  /// - Throws: `PipelineError` if the networks do not fit together, or for an impossible size.
  init(
    _ transformer: StoredNetwork<FluxTransformer2DModel>,
    _ autoencoder: StoredNetwork<AutoencoderKL>, text: FluxPromptEncoder?,
    _ scheduler: SchedulerConfiguration, _ imageSize: ImageSize?, _ defaults: FlowModelDefaults,
    className: String, path: String
  ) throws(PipelineError) {
    geometry = try ImageGeometry(
      imageSize, transformer.network.configuration, autoencoder.network.configuration, path: path)
    self.transformer = transformer
    self.autoencoder = autoencoder
    self.text = text
    self.scheduler = scheduler
    self.defaults = defaults
    self.className = className
  }

  public var store: ParameterStore { transformer.store }

  public func latentShape(count: Int) -> [Int] {
    [
      count, transformer.network.configuration.latentChannels, geometry.latentHeight,
      geometry.latentWidth,
    ]
  }

  public func schedule(stepCount: Int) -> FlowSchedule {
    FlowSchedule(
      scheduler, stepCount: stepCount, imageTokens: geometry.imageTokens, grid: .uniform)
  }

  public func velocityField(
    of prompts: [PromptEmbeddings], negative: PromptEmbeddings?, embeddedGuidance: Double?,
    checkpointing: GradientCheckpointing?
  ) -> VelocityField {
    precondition(negative == nil, "the family has no classifier-free guidance")
    let network = transformer.network
    precondition(
      (embeddedGuidance != nil) == network.configuration.guidanceEmbeds,
      "the guidance scale is an input of networks with guidance_embeds alone")
    let timestepScale = Double(scheduler.trainingTimesteps)
    let (dtype, device) = (dtype, device)
    let all = network.embedded(FluxConditioning(prompts).mapped { $0.to(dtype).to(device) })
    let rotation = network.rotation(
      textTokens: all.rows.shape[1], height: geometry.latentHeight, width: geometry.latentWidth,
      source: all.source)
    return { latents, sigma, promptIndices in
      network(
        latents.to(dtype), timestep: sigma * timestepScale, guidance: embeddedGuidance,
        embeddings: promptIndices.elementsEqual(0..<all.count) ? all : all.selecting(promptIndices),
        rotation: rotation, checkpointing: checkpointing
      ).to(.float32)
    }
  }

  public func decoded(_ latents: Tensor) -> Tensor {
    autoencoder.decoded(latents, tileSide: tileSide)
  }

  public var decoderDType: DType { autoencoder.dtype }

  public var tileUnit: Int { autoencoder.network.configuration.tileUnit }
}

extension ImageGeometry {
  /// Side of the usual latents, in latent pixels.
  static let fluxSide = 128

  /// The sizes of an image of the model in a folder, from its configurations.
  ///
  /// - Throws: `PipelineError`.
  init(_ source: ModelSource) throws(PipelineError) {
    try self.init(
      source.imageSize, FluxTransformerConfiguration.read("transformer", of: source.folder),
      AutoencoderKLConfiguration.read("vae", of: source.folder), path: source.folder)
  }

  /// The sizes of an image of FLUX.1: a token is 2 x 2 latent pixels.
  ///
  /// - Parameter image: nil means a square of `fluxSide` latent pixels, as in diffusers.
  /// - Throws: `PipelineError.imageSize`, or `.inconsistent` if the networks do not fit together.
  init(
    _ image: ImageSize?, _ transformer: FluxTransformerConfiguration,
    _ autoencoder: AutoencoderKLConfiguration, path: String
  ) throws(PipelineError) {
    try require(
      autoencoder.latentChannels == transformer.latentChannels, path,
      "the autoencoder has \(autoencoder.latentChannels) latent channels; the transformer's "
        + "in_channels \(transformer.inChannels) are for \(transformer.latentChannels)")
    try require(
      autoencoder.shiftFactor != nil, path, "the autoencoder has no shift_factor, which may be 0")
    try self.init(
      image, defaultSide: Self.fluxSide, factor: autoencoder.spatialFactor, patch: 2, path: path)
  }
}
