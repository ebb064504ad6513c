public import TorchNN

/// A model folder and how it is loaded.
public struct ModelSource: Sendable, Equatable {
  /// A folder in diffusers' layout.
  public var folder: String
  public var placement: Placement
  /// nil means the model's default size.
  public var imageSize: ImageSize?
  /// Tokens of a prompt for the longest text encoder, or the number of zero rows in their place;
  /// nil means the family's default.
  public var maxSequenceLength: Int?

  public init(
    folder: String, placement: Placement = Placement(), imageSize: ImageSize? = nil,
    maxSequenceLength: Int? = nil
  ) {
    self.folder = folder
    self.placement = placement
    self.imageSize = imageSize
    self.maxSequenceLength = maxSequenceLength
  }

  /// Loads the model without its text encoders.
  ///
  /// - Throws: `PipelineError`. Processes that share weights check those that they keep, so one of
  ///   them alone may find a weight that is not finite.
  public func load(training: LearningSetup = .frozen) throws(PipelineError) -> any FlowModel {
    let model = try FlowModelRegistry.family(of: folder).init(self, training: training)
    try require(
      model.store.movesWeights == (placement.movesWeights || training.shards != nil), folder,
      "\(model.className) declares no blocks, so quantize_base, offload and shard must be none")
    return model
  }
}

/// Which weights of a transformer are trained.
public enum TrainableWeights: Equatable, Sendable {
  /// Low-rank adapters.
  case adapters(LoRAConfig)
  /// Every weight.
  case full

  /// Whether the output of the layer at this path changes during training.
  package func changes(_ path: String) -> Bool {
    switch self {
    case .adapters(let config): config.adapts(path)
    case .full: true
    }
  }

  /// The adapters; nil where every weight is trained.
  public var adapters: LoRAConfig? {
    if case .adapters(let config) = self { config } else { nil }
  }
}
