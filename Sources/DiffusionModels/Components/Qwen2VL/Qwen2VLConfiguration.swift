/// `config.json` of transformers' `Qwen2VLForConditionalGeneration`, in the flat form of published
/// folders; defaults are those of Qwen2-VL-7B.
public struct Qwen2VLConfiguration: ModelConfiguration {
  /// The entries beside `vision_config`.
  public var language = Qwen2Configuration()
  public var visionConfig = Qwen2VLVisionConfiguration()

  /// The values of Qwen2-VL-7B.
  public init() {}

  public init(from decoder: any Decoder) throws {
    language = try Qwen2Configuration(from: decoder)
    let file = try decoder.container(keyedBy: CodingKeys.self)
    if file.contains(.visionConfig) {
      try file.checkKeys(
        .visionConfig, known: Qwen2VLVisionConfiguration.CodingKeys.allCases.map(\.rawValue),
        harmless: Qwen2VLVisionConfiguration.harmlessKeys)
    }
    visionConfig = try file.value(.visionConfig, or: visionConfig)
  }

  public func encode(to encoder: any Encoder) throws {
    try language.encode(to: encoder)
    var file = encoder.container(keyedBy: CodingKeys.self)
    try file.encode(visionConfig, forKey: .visionConfig)
  }

  private enum CodingKeys: String, CodingKey {
    case visionConfig = "vision_config"
  }

  public static let className = "Qwen2VLForConditionalGeneration"
  public static let knownKeys = Qwen2Configuration.knownKeys + [CodingKeys.visionConfig.rawValue]
  public static let harmlessKeys = Qwen2Configuration.harmlessKeys
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("qwen2_vl"),
  ]

  public func validate() throws(ConfigurationProblem) {
    try language.validate()
    try visionConfig.validate(outputs: language.hiddenSize)
  }
}

/// The entry `vision_config`: the vision tower.
public struct Qwen2VLVisionConfiguration: Codable, Equatable, Sendable {
  /// Number of blocks.
  public var depth = 32
  /// Width of a patch.
  public var embedDim = 1280
  /// Width of an output token.
  public var hiddenSize = 3584
  public var numHeads = 16
  /// Ratio of the feed-forward width of a block to ``embedDim``.
  public var mlpRatio = 4
  /// Side of a patch, in pixels.
  public var patchSize = 14
  /// Frames of a video in one patch; a still image is repeated.
  public var temporalPatchSize = 2
  /// Side, in patches, of the square that is merged into one token.
  public var spatialMergeSize = 2

  public init() {}

  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    depth = try file.value(.depth, or: depth)
    embedDim = try file.value(.embedDim, or: embedDim)
    hiddenSize = try file.value(.hiddenSize, or: hiddenSize)
    numHeads = try file.value(.numHeads, or: numHeads)
    mlpRatio = try file.value(.mlpRatio, or: mlpRatio)
    patchSize = try file.value(.patchSize, or: patchSize)
    temporalPatchSize = try file.value(.temporalPatchSize, or: temporalPatchSize)
    spatialMergeSize = try file.value(.spatialMergeSize, or: spatialMergeSize)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case depth
    case embedDim = "embed_dim"
    case hiddenSize = "hidden_size"
    case numHeads = "num_heads"
    case mlpRatio = "mlp_ratio"
    case patchSize = "patch_size"
    case temporalPatchSize = "temporal_patch_size"
    case spatialMergeSize = "spatial_merge_size"
  }

  /// Keys with one value in every Qwen2-VL, or for training only.
  static let harmlessKeys: Set<String> = [
    "hidden_act", "in_channels", "in_chans", "initializer_range", "spatial_patch_size",
  ]

  /// Elements of one flattened patch, in three colors.
  public var patchCount: Int { 3 * temporalPatchSize * patchSize * patchSize }

  /// Side, in pixels, of the square of one token; image sides are multiples of it.
  public var tokenSize: Int { patchSize * spatialMergeSize }

  func validate(outputs: Int) throws(ConfigurationProblem) {
    func check(_ key: CodingKeys, _ isRight: Bool, _ reason: String) throws(ConfigurationProblem) {
      guard isRight else { throw ConfigurationProblem("vision_config.\(key.rawValue)", reason) }
    }
    let counts = [
      (CodingKeys.depth, depth), (.embedDim, embedDim), (.numHeads, numHeads),
      (.mlpRatio, mlpRatio), (.patchSize, patchSize), (.temporalPatchSize, temporalPatchSize),
      (.spatialMergeSize, spatialMergeSize),
    ]
    for (key, value) in counts { try check(key, value > 0, "\(value) is not a positive number") }
    try check(
      .embedDim, embedDim % (4 * numHeads) == 0,
      "\(embedDim) cannot be split into \(numHeads) heads with a width divisible by 4")
    try check(
      .hiddenSize, hiddenSize == outputs, "\(hiddenSize) is not the language model's, \(outputs)")
  }
}
