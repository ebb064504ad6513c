/// Sizes and costs of a model, by its configuration files.
///
/// Figures of the network are per row; a sample under classifier-free guidance is two rows.
public struct FlowModelMetadata: Sendable {
  /// The sizes of one image.
  public var geometry: ImageGeometry
  /// Shape of one latent, `[C, h, w]`.
  public var latentShape: [Int]
  public var transformer: NetworkSize
  public var autoencoder: NetworkSize
  /// Of those that are there: text encoders may be removed once their prompts are encoded.
  public var textEncoders: [NetworkSize]
  /// Numbers that are trained.
  public var trainableParameters: Int
  /// Numbers of one prompt's embeddings as the network takes them.
  public var promptElements: Int
  /// Numbers of one prompt's embeddings in the prompt cache.
  public var cachedPromptElements: Int
  /// Floating-point operations of one row.
  public var work: NetworkWork
  /// Bytes of activations, by the bytes of one number of the weights.
  public var activations: @Sendable (_ elementBytes: Int) -> ActivationMemory
  /// Most bytes that decoding one latent holds, by the bytes of one number.
  public var decodingBytes: @Sendable (_ elementBytes: Int) -> Int

  public init(
    geometry: ImageGeometry, latentShape: [Int], sizes: NetworkSizes, trainableParameters: Int,
    promptElements: Int, cachedPromptElements: Int, work: NetworkWork,
    activations: @escaping @Sendable (_ elementBytes: Int) -> ActivationMemory,
    decodingBytes: @escaping @Sendable (_ elementBytes: Int) -> Int
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
  }
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

/// Bytes that evaluations of a network hold beside its weights, per row.
public struct ActivationMemory: Sendable, Equatable {
  /// Most that a forward pass without gradients holds at one time.
  public var evaluation: Int
  /// What a forward pass keeps for the backward pass.
  public var kept: Int
  /// The same with gradient checkpointing.
  public var keptWithCheckpointing: Int
  /// Most that the backward pass holds beside what was kept.
  public var backward: Int

  public init(evaluation: Int, kept: Int, keptWithCheckpointing: Int, backward: Int) {
    self.evaluation = evaluation
    self.kept = kept
    self.keptWithCheckpointing = keptWithCheckpointing
    self.backward = backward
  }
}

/// Floating-point operations of one row that no implementation can do without; a multiplication and
/// an addition count as two.
public struct NetworkWork: Sendable, Equatable {
  /// One evaluation without gradients.
  public var forward: Double
  /// One forward pass and the backward pass behind it; recomputation is not counted.
  public var training: Double

  public init(forward: Double, training: Double) {
    self.forward = forward
    self.training = training
  }
}
