/// `config.json` of transformers' `Qwen2VLForConditionalGeneration`, in the flat form of published
/// folders; defaults are those of Qwen2-VL-7B.
public struct Qwen2VLConfiguration: ModelConfiguration {
  /// Rows of the token embedding table.
  public var vocabSize = 152064
  /// Width of a token.
  public var hiddenSize = 3584
  /// Width of a layer's feed-forward.
  public var intermediateSize = 18944
  public var numHiddenLayers = 28
  public var numAttentionHeads = 28
  /// Heads of keys and values; each one is shared by several heads of queries.
  public var numKeyValueHeads = 4
  public var rmsNormEps = 1e-6
  /// Base of the rotary frequencies.
  public var ropeTheta = 1_000_000.0
  public var ropeScaling = RotarySections()
  public var visionConfig = Qwen2VLVisionConfiguration()
  /// The activation of the feed-forward layers; only `silu` is supported.
  public var hiddenAct = "silu"
  /// Whether later layers use sliding-window attention; only false is supported.
  public var useSlidingWindow = false

  /// Width of one head.
  public var headWidth: Int { hiddenSize / numAttentionHeads }

  /// How a head's frequencies are divided among the axes of a position (`rope_scaling`).
  public struct RotarySections: Codable, Equatable, Sendable {
    /// `mrope`, or `default`, which is equivalent where ``mropeSection`` is set.
    public var type = "mrope"
    /// Counts of frequencies for time, row and column, in this order.
    public var mropeSection = [16, 24, 24]

    public init() {}

    enum CodingKeys: String, CodingKey {
      case type
      case mropeSection = "mrope_section"
    }
  }

  /// The values of Qwen2-VL-7B.
  public init() {}

  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    vocabSize = try file.value(.vocabSize, or: vocabSize)
    hiddenSize = try file.value(.hiddenSize, or: hiddenSize)
    intermediateSize = try file.value(.intermediateSize, or: intermediateSize)
    numHiddenLayers = try file.value(.numHiddenLayers, or: numHiddenLayers)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    numKeyValueHeads = try file.value(.numKeyValueHeads, or: numKeyValueHeads)
    rmsNormEps = try file.value(.rmsNormEps, or: rmsNormEps)
    ropeTheta = try file.value(.ropeTheta, or: ropeTheta)
    ropeScaling = try file.value(.ropeScaling, or: ropeScaling)
    if file.contains(.visionConfig) {
      try file.checkKeys(
        .visionConfig, known: Qwen2VLVisionConfiguration.CodingKeys.allCases.map(\.rawValue),
        harmless: Qwen2VLVisionConfiguration.harmlessKeys)
    }
    visionConfig = try file.value(.visionConfig, or: visionConfig)
    hiddenAct = try file.value(.hiddenAct, or: hiddenAct)
    useSlidingWindow = try file.value(.useSlidingWindow, or: useSlidingWindow)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case vocabSize = "vocab_size"
    case hiddenSize = "hidden_size"
    case intermediateSize = "intermediate_size"
    case numHiddenLayers = "num_hidden_layers"
    case numAttentionHeads = "num_attention_heads"
    case numKeyValueHeads = "num_key_value_heads"
    case rmsNormEps = "rms_norm_eps"
    case ropeTheta = "rope_theta"
    case ropeScaling = "rope_scaling"
    case visionConfig = "vision_config"
    case hiddenAct = "hidden_act"
    case useSlidingWindow = "use_sliding_window"
  }

  public static let className = "Qwen2VLForConditionalGeneration"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// Keys for training, generation, the tokenizer or bookkeeping; without effect here.
  public static let harmlessKeys: Set<String> = [
    "attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id",
    "image_token_id", "initializer_range", "max_position_embeddings", "max_window_layers",
    "sliding_window",
    "tie_word_embeddings", "use_cache", "video_token_id",
    "vision_end_token_id", "vision_start_token_id", "vision_token_id", "output_dim",
    "tokenizer_padding_side",
  ]
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("qwen2_vl"),
  ]

  public func validate() throws(ConfigurationProblem) {
    let counts = [
      (CodingKeys.vocabSize, vocabSize), (.hiddenSize, hiddenSize),
      (.intermediateSize, intermediateSize), (.numHiddenLayers, numHiddenLayers),
      (.numAttentionHeads, numAttentionHeads), (.numKeyValueHeads, numKeyValueHeads),
    ]
    for (key, value) in counts where value < 1 {
      throw ConfigurationProblem(key.rawValue, "\(value) is not a positive number")
    }
    guard hiddenSize % numAttentionHeads == 0, headWidth % 2 == 0 else {
      throw ConfigurationProblem(
        CodingKeys.hiddenSize.rawValue,
        "\(hiddenSize) cannot be split into \(numAttentionHeads) heads of even width")
    }
    guard numAttentionHeads % numKeyValueHeads == 0 else {
      throw ConfigurationProblem(
        CodingKeys.numKeyValueHeads.rawValue,
        "\(numKeyValueHeads) does not divide num_attention_heads, \(numAttentionHeads)")
    }
    guard hiddenAct == "silu" else {
      throw ConfigurationProblem(
        CodingKeys.hiddenAct.rawValue, "'\(hiddenAct)' is not supported; 'silu' is")
    }
    guard !useSlidingWindow else {
      throw ConfigurationProblem(CodingKeys.useSlidingWindow.rawValue, "true is not supported")
    }
    let sections = ropeScaling.mropeSection
    guard ["mrope", "default"].contains(ropeScaling.type), sections.count == 3,
      sections.allSatisfy({ $0 >= 0 }), sections.reduce(0, +) == headWidth / 2
    else {
      throw ConfigurationProblem(
        CodingKeys.ropeScaling.rawValue,
        "three sections of type mrope must share the \(headWidth / 2) frequencies of a head")
    }
    try visionConfig.validate(outputs: hiddenSize)
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
