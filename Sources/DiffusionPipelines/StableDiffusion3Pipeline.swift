public import DiffusionModels
public import FlowMatching
public import TextTokenizers
public import Torch
import TorchNN

/// Stable Diffusion 3 without T5: prompts to latents to images (diffusers'
/// `StableDiffusion3Pipeline` with `text_encoder_3` null).
///
/// B samples, latents `[B, C, h, w]`, images of H x W pixels.
public struct StableDiffusion3Pipeline {
  public let transformer: StoredNetwork<SD3Transformer2DModel>
  public let autoencoder: StoredNetwork<AutoencoderKL>
  /// Two, in the order of diffusers' `text_encoder` and `text_encoder_2`.
  public let textEncoders: [StoredNetwork<CLIPTextModelWithProjection>]
  /// One per text encoder.
  public let tokenizers: [CLIPTokenizer]
  public let scheduler: SchedulerConfiguration
  /// Rows of zeros in place of T5's: diffusers' `max_sequence_length`.
  public let zeroRowCount: Int

  /// diffusers' default for `max_sequence_length`.
  public static let defaultZeroRowCount = 256

  /// A pipeline of networks in memory.
  ///
  /// - Throws: `PipelineError.inconsistent` if the parts do not fit together.
  public init(
    transformer: StoredNetwork<SD3Transformer2DModel>,
    autoencoder: StoredNetwork<AutoencoderKL>,
    textEncoders: [StoredNetwork<CLIPTextModelWithProjection>], tokenizers: [CLIPTokenizer],
    scheduler: SchedulerConfiguration, zeroRowCount: Int = defaultZeroRowCount
  ) throws(PipelineError) {
    self.transformer = transformer
    self.autoencoder = autoencoder
    self.textEncoders = textEncoders
    self.tokenizers = tokenizers
    self.scheduler = scheduler
    self.zeroRowCount = zeroRowCount
    try checkConsistency(path: "pipeline")
  }

  /// Reads a pipeline folder in diffusers' layout.
  ///
  /// - Parameters:
  ///   - dtype: precision of the networks; nil keeps the files'.
  ///   - variant: a second set of weights, such as `fp16` for `model.fp16.safetensors`. Components
  ///     without it take their plain weights, as in diffusers; at least one must have it.
  ///   - autoencoderDType: precision of the autoencoder; nil takes `dtype`.
  ///   - transformer: which of the transformer's parameters learn, and its adapters; the other
  ///     networks are frozen.
  ///   - zeroRowCount: rows of zeros in place of T5's.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not fit.
  public init(
    folder: String, device: Device = .cpu, dtype: DType? = nil, autoencoderDType: DType? = nil,
    variant: String? = nil, transformer learning: LearningSetup = .frozen,
    zeroRowCount: Int = defaultZeroRowCount
  ) throws(PipelineError) {
    try ModelIndex.check(folder: folder)
    let placement = Placement(device: device, dtype: dtype, variant: variant)
    try placement.checkVariant(folder: folder)
    transformer = try StoredNetwork(
      folder: "\(folder)/transformer", weights: diffusersWeights, placement: placement,
      learning: learning, build: SD3Transformer2DModel.init)
    autoencoder = try StoredNetwork(
      folder: "\(folder)/vae", weights: diffusersWeights,
      placement: Placement(device: device, dtype: autoencoderDType ?? dtype, variant: variant),
      build: AutoencoderKL.init)
    var encoders: [StoredNetwork<CLIPTextModelWithProjection>] = []
    var tokenizers: [CLIPTokenizer] = []
    for suffix in textSuffixes {
      encoders.append(
        try StoredNetwork(
          folder: "\(folder)/text_encoder\(suffix)", weights: transformersWeights,
          placement: placement, build: CLIPTextModelWithProjection.init))
      tokenizers.append(
        try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
          try CLIPTokenizer(folder: "\(folder)/tokenizer\(suffix)")
        })
    }
    textEncoders = encoders
    self.tokenizers = tokenizers
    scheduler = try wrapping(PipelineError.scheduler) { () throws(SchedulerConfigurationError) in
      try SchedulerConfiguration(path: "\(folder)/scheduler/scheduler_config.json")
    }
    self.zeroRowCount = zeroRowCount
    try checkConsistency(path: folder)
  }

  /// The device of the networks.
  public var device: Device { transformer.store.device }

  /// Shape of the latents of `count` images of the size the transformer was made for.
  public func latentShape(count: Int) -> [Int] {
    let configuration = transformer.network.configuration
    return [
      count, configuration.inChannels, configuration.sampleSize, configuration.sampleSize,
    ]
  }

  /// The sigmas of a sample in `stepCount` steps, for latents of the transformer's sample size.
  public func schedule(stepCount: Int) -> FlowSchedule {
    let configuration = transformer.network.configuration
    let side = configuration.sampleSize / configuration.patchSize
    return FlowSchedule(scheduler, stepCount: stepCount, imageTokens: side * side)
  }

  private func checkConsistency(path: String) throws(PipelineError) {
    func require(_ holds: Bool, _ reason: String) throws(PipelineError) {
      guard holds else { throw .inconsistent(path: path, reason: reason) }
    }
    let model = transformer.network.configuration
    let vae = autoencoder.network.configuration
    try require(
      textEncoders.count == textSuffixes.count && tokenizers.count == textSuffixes.count,
      "two text encoders and two tokenizers are needed")
    try require(
      vae.latentChannels == model.inChannels && model.inChannels == model.outChannels,
      "the autoencoder has \(vae.latentChannels) latent channels, the transformer "
        + "\(model.inChannels) in and \(model.outChannels) out")
    try require(vae.shiftFactor != nil, "the autoencoder has no shift_factor, which may be 0")
    let texts = textEncoders.map(\.network.configuration)
    let pooledWidth = texts.map(\.projectionDim).reduce(0, +)
    try require(
      pooledWidth == model.pooledProjectionDim,
      "the text encoders' projections are \(pooledWidth) wide together; the transformer's "
        + "pooled_projection_dim is \(model.pooledProjectionDim)")
    let rowWidth = texts.map(\.hiddenSize).reduce(0, +)
    try require(
      rowWidth <= model.jointAttentionDim,
      "the text encoders' rows are \(rowWidth) wide together; the transformer's "
        + "joint_attention_dim is \(model.jointAttentionDim)")
    for (text, tokenizer) in zip(texts, tokenizers) {
      try require(
        tokenizer.vocabulary.count <= text.vocabSize,
        "a tokenizer has \(tokenizer.vocabulary.count) tokens, its text encoder "
          + "\(text.vocabSize)")
      try require(
        tokenizers[0].modelMaxLength <= text.maxPositionEmbeddings,
        "prompts have \(tokenizers[0].modelMaxLength) tokens, a text encoder takes "
          + "\(text.maxPositionEmbeddings)")
    }
  }
}

let diffusersWeights = "diffusion_pytorch_model"
let transformersWeights = "model"
/// What diffusers appends to `text_encoder` and `tokenizer`, in order.
let textSuffixes = ["", "_2"]
