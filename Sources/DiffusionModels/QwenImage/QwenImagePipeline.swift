public import FlowMatching
public import Torch
public import TorchNN

/// Qwen-Image and Qwen-Image-2512: prompts to latents to images (diffusers' `QwenImagePipeline`).
///
/// B samples, latents `[B, C, h, w]`, packed inside the transformer alone; images of H x W pixels.
/// Prompts have their own lengths. They are padded to one width in all calls of a run, and the
/// padding is masked.
public struct QwenImagePipeline: FlowModel {
  public let transformer: StoredNetwork<QwenImageTransformer2DModel>
  public let autoencoder: StoredNetwork<AutoencoderKLQwenImage>
  public let scheduler: SchedulerConfiguration
  public let geometry: ImageGeometry
  public var tileSide: Int?
  /// Made once for all calls.
  private let positions: QwenImagePositions
  /// nil means, in each call, the rows of its longest prompt, rounded up.
  public private(set) var promptRows: Int?

  /// Loads transformer, autoencoder and scheduler of a folder in diffusers' layout.
  ///
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, an impossible size.
  public init(_ source: ModelSource, training: LearningSetup) throws(PipelineError) {
    let (folder, placement) = (source.folder, source.placement)
    try QwenImageModelIndex.check(folder)
    try placement.checkVariant(folder: folder)
    scheduler = try wrapping(PipelineError.scheduler) {
      () throws(SchedulerConfigurationError) in
      try SchedulerConfiguration(path: "\(folder)/scheduler/scheduler_config.json")
    }
    transformer = try StoredNetwork(
      folder: "\(folder)/transformer", weights: diffusersWeights, placement: placement,
      learning: training, build: QwenImageTransformer2DModel.init)
    autoencoder = try StoredNetwork(
      folder: "\(folder)/vae", weights: diffusersWeights, placement: placement.ofAutoencoder,
      build: AutoencoderKLQwenImage.init)
    positions = QwenImagePositions(axes: transformer.network.configuration.axesDimsRope)
    geometry = try ImageGeometry(
      source.imageSize, transformer.network.configuration, autoencoder.network.configuration,
      path: folder)
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

  public mutating func fit(
    to prompts: [String], of source: ModelSource
  ) throws(PipelineError) {
    let tokenized = try Qwen25Prompts(folder: source.folder)
    let length = Self.sequenceLength(source)
    let longest = prompts.map { tokenized.rowCount(of: $0, maxSequenceLength: length) }.max()
    promptRows = longest.map(QwenImageConditioning.width)
  }

  public func velocityField(
    of prompts: [PromptEmbeddings], negative: PromptEmbeddings?, embeddedGuidance: Double?,
    checkpointing: GradientCheckpointing?
  ) -> VelocityField {
    precondition(embeddedGuidance == nil, "the network has no guidance input")
    let network = transformer.network
    let prompts = prompts + (negative.map { [$0] } ?? [])
    let lengths = prompts.compactMap { $0[QwenImageConditioning.tensorName]?.shape[0] }
    let width = promptRows ?? QwenImageConditioning.width(ofLongest: lengths.max() ?? 0)
    let (dtype, device) = (dtype, device)
    let all = network.embedded(
      QwenImageConditioning(prompts, width: width).mapped { $0.to(dtype).to(device) })
    let rotation = network.rotation(
      textTokens: width, height: geometry.latentHeight, width: geometry.latentWidth,
      positions: positions)
    return { latents, sigma, promptIndices in
      network(
        latents.to(dtype), sigma: qwenImageSigma(sigma, dtype),
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
  static let qwenImageSide = 128

  /// The sizes of an image of Qwen-Image: a token is 2 x 2 latent pixels.
  ///
  /// - Parameter image: nil means a square of `qwenImageSide` latent pixels, as in diffusers.
  /// - Throws: `PipelineError.imageSize`, or `.inconsistent` if the networks do not fit together.
  init(
    _ image: ImageSize?, _ transformer: QwenImageTransformerConfiguration,
    _ autoencoder: AutoencoderKLQwenImageConfiguration, path: String
  ) throws(PipelineError) {
    try require(
      autoencoder.latentChannels == transformer.latentChannels, path,
      "the autoencoder has \(autoencoder.latentChannels) latent channels; the transformer's "
        + "in_channels \(transformer.inChannels) are for \(transformer.latentChannels)")
    try self.init(
      image, defaultSide: Self.qwenImageSide, factor: autoencoder.spatialFactor, patch: 2,
      path: path)
  }
}
