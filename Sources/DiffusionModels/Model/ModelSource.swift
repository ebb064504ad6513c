public import TorchNN

/// Which model, and how it is read.
public struct ModelSource: Sendable, Equatable {
  /// A folder in diffusers' layout.
  public var folder: String
  public var placement: Placement
  /// nil takes the model's own.
  public var imageSize: ImageSize?
  /// Tokens of a prompt for the longest text encoder, or rows of zeros in their place; nil takes the
  /// family's default.
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

  /// Reads the model without its text encoders.
  ///
  /// - Throws: `PipelineError`.
  public func load(training: LearningSetup = .frozen) throws(PipelineError) -> any FlowModel {
    try FlowModelRegistry.family(of: folder).init(self, training: training)
  }
}

/// Which weights of a transformer are trained.
public enum TrainableWeights: Equatable, Sendable {
  /// Low-rank adapters.
  case adapters(LoRAConfig)
  /// Every weight.
  case full

  /// Whether the output of the layer at this path changes from update to update.
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
