public import Torch

/// Sizes and costs of a model, from its configuration files.
///
/// Figures of the network are per row; a sample under classifier-free guidance is two rows.
public struct FlowModelMetadata: Sendable {
  /// The sizes of one image.
  public var geometry: ImageGeometry
  /// Shape of one latent, `[C, h, w]`.
  public var latentShape: [Int]
  public var transformer: NetworkSize
  public var autoencoder: NetworkSize
  /// The text encoders that are present; they may be removed once their prompts are encoded.
  public var textEncoders: [NetworkSize]
  /// Number of trainable parameters.
  public var trainableParameters: Int
  /// Elements of one prompt's embeddings as inputs of the network.
  public var promptElements: Int
  /// Elements of one prompt's embeddings in the prompt cache.
  public var cachedPromptElements: Int
  /// Floating-point operations of one row.
  public var work: NetworkWork
  /// Bytes of activations, for an element size of the weights in bytes.
  public var activations: @Sendable (_ elementBytes: Int) -> ActivationMemory
  /// Peak bytes of decoding one latent, for an element size in bytes and a device.
  public var decodingBytes: @Sendable (_ elementBytes: Int, _ device: Device) -> Int
  /// Elements of the largest activation of decoding one latent.
  public var largestDecoded: Int
  /// Peak bytes of encoding one source image with its prompt, for an element size in bytes and a
  /// device; nil for a model without source images.
  public var sourceEncodingBytes: (@Sendable (_ elementBytes: Int, _ device: Device) -> Int)?

  public init(
    geometry: ImageGeometry, latentShape: [Int], sizes: NetworkSizes, trainableParameters: Int,
    promptElements: Int, cachedPromptElements: Int, work: NetworkWork,
    activations: @escaping @Sendable (_ elementBytes: Int) -> ActivationMemory,
    decodingBytes: @escaping @Sendable (_ elementBytes: Int, _ device: Device) -> Int,
    largestDecoded: Int
  ) {
    self.geometry = geometry
    self.latentShape = latentShape
    transformer = sizes.transformer
    autoencoder = sizes.autoencoder
    textEncoders = sizes.textEncoders
    self.trainableParameters = trainableParameters
    self.promptElements = promptElements
    self.cachedPromptElements = cachedPromptElements
    self.work = work
    self.activations = activations
    self.decodingBytes = decodingBytes
    self.largestDecoded = largestDecoded
  }

  /// The most latents to decode at once: for convolutions of activations with 2^31 elements or
  /// more, cuDNN has few kernels, and they are slow.
  package var mostDecoded: Int { max(1, Int(Int32.max) / largestDecoded) }
}

/// The sizes of a model's networks.
public struct NetworkSizes: Sendable {
  public var transformer: NetworkSize
  public var autoencoder: NetworkSize
  public var textEncoders: [NetworkSize]

  public init(transformer: NetworkSize, autoencoder: NetworkSize, textEncoders: [NetworkSize]) {
    self.transformer = transformer
    self.autoencoder = autoencoder
    self.textEncoders = textEncoders
  }
}

/// Bytes of a network's activations, per row.
public struct ActivationMemory: Sendable, Equatable {
  /// Peak of a forward pass without gradients.
  public var evaluation: Int
  /// Activations that a forward pass keeps for the backward pass.
  public var kept: Int
  /// Activations that are kept with gradient checkpointing.
  public var keptWithCheckpointing: Int
  /// Peak of the backward pass, in addition to the kept activations.
  public var backward: Int

  public init(evaluation: Int, kept: Int, keptWithCheckpointing: Int, backward: Int) {
    self.evaluation = evaluation
    self.kept = kept
    self.keptWithCheckpointing = keptWithCheckpointing
    self.backward = backward
  }
}

/// Floating-point operations of one row that every implementation needs; a multiplication and an
/// addition count as two.
public struct NetworkWork: Sendable, Equatable {
  /// One evaluation without gradients.
  public var forward: Double
  /// One forward pass and its backward pass, without the second forward pass of gradient
  /// checkpointing.
  public var training: Double

  public init(forward: Double, training: Double) {
    self.forward = forward
    self.training = training
  }
}
