/// The decoder of Qwen2-VL and Qwen2.5-VL in their `config.json`; defaults are those of both 7B
/// models.
public struct Qwen2Configuration: Codable, Equatable, Sendable {
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
  /// The activation of the feed-forward layers; only `silu` is supported.
  public var hiddenAct = "silu"
  /// Whether later layers use sliding-window attention; only false is supported.
  public var useSlidingWindow = false

  /// Width of one head.
  public var headWidth: Int { hiddenSize / numAttentionHeads }

  /// The values of the 7B models.
  public init() {}

  public init(from decoder: any Decoder) throws {
    try self.init(from: decoder, defaults: Qwen2Configuration())
  }

  /// Reads the entries that are there; `rope_theta` and `rope_scaling` may be in one object,
  /// `rope_parameters`, as transformers 5 writes them.
  init(from decoder: any Decoder, defaults: Qwen2Configuration) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    vocabSize = try file.value(.vocabSize, or: defaults.vocabSize)
    hiddenSize = try file.value(.hiddenSize, or: defaults.hiddenSize)
    intermediateSize = try file.value(.intermediateSize, or: defaults.intermediateSize)
    numHiddenLayers = try file.value(.numHiddenLayers, or: defaults.numHiddenLayers)
    numAttentionHeads = try file.value(.numAttentionHeads, or: defaults.numAttentionHeads)
    numKeyValueHeads = try file.value(.numKeyValueHeads, or: defaults.numKeyValueHeads)
    rmsNormEps = try file.value(.rmsNormEps, or: defaults.rmsNormEps)
    ropeTheta = try file.value(.ropeTheta, or: defaults.ropeTheta)
    if file.contains(.ropeScaling) {
      try file.checkKeys(.ropeScaling, known: RotarySections.knownKeys, harmless: [])
    }
    ropeScaling = try file.value(.ropeScaling, or: defaults.ropeScaling)
    hiddenAct = try file.value(.hiddenAct, or: defaults.hiddenAct)
    useSlidingWindow = try file.value(.useSlidingWindow, or: defaults.useSlidingWindow)
    let newer = try decoder.container(keyedBy: NewerKeys.self)
    if newer.contains(.ropeParameters) {
      let theta = CodingKeys.ropeTheta.rawValue
      try newer.checkKeys(
        .ropeParameters, known: RotarySections.knownKeys + [theta], harmless: [])
      ropeScaling = try newer.value(.ropeParameters, or: ropeScaling)
      let entries = try newer.nestedContainer(keyedBy: CodingKeys.self, forKey: .ropeParameters)
      ropeTheta = try entries.value(.ropeTheta, or: ropeTheta)
    }
    let kinds = try newer.value(.layerTypes, or: [String]())
    if let other = kinds.first(where: { $0 != "full_attention" }) {
      throw ConfigurationProblem(
        newer.path(of: .layerTypes), "'\(other)' is not supported; 'full_attention' is")
    }
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
    case hiddenAct = "hidden_act"
    case useSlidingWindow = "use_sliding_window"
  }

  /// Keys of newer files.
  private enum NewerKeys: String, CodingKey, CaseIterable {
    case ropeParameters = "rope_parameters"
    case layerTypes = "layer_types"
  }

  static let knownKeys =
    CodingKeys.allCases.map(\.rawValue) + NewerKeys.allCases.map(\.rawValue)
  /// Keys for training, generation, the tokenizer or bookkeeping; without effect here.
  static let harmlessKeys: Set<String> = [
    "attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id",
    "image_token_id", "initializer_range", "max_position_embeddings", "max_window_layers",
    "sliding_window",
    "tie_word_embeddings", "use_cache", "video_token_id",
    "vision_end_token_id", "vision_start_token_id", "vision_token_id", "output_dim",
    "tokenizer_padding_side",
  ]

  /// Throws if a size is missing. The defaults of `Qwen2_5_VLTextConfig` are those of a larger
  /// model.
  static func checkSizes(_ decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    let sizes = Qwen2Configuration().sizes.map(\.key) + [.rmsNormEps]
    for key in sizes where try !file.contains(key) || file.decodeNil(forKey: key) {
      throw ConfigurationProblem(file.path(of: key), "is missing")
    }
  }

  /// The key of the first value that differs from another configuration's.
  func difference(from other: Qwen2Configuration) -> String? {
    for (own, size) in zip(sizes, other.sizes) where own.value != size.value {
      return own.key.rawValue
    }
    let isEqual: [(CodingKeys, Bool)] = [
      (.rmsNormEps, rmsNormEps == other.rmsNormEps), (.ropeTheta, ropeTheta == other.ropeTheta),
      (.ropeScaling, ropeScaling == other.ropeScaling), (.hiddenAct, hiddenAct == other.hiddenAct),
      (.useSlidingWindow, useSlidingWindow == other.useSlidingWindow),
    ]
    return isEqual.first { !$0.1 }?.0.rawValue
  }

  private var sizes: [(key: CodingKeys, value: Int)] {
    [
      (.vocabSize, vocabSize), (.hiddenSize, hiddenSize), (.intermediateSize, intermediateSize),
      (.numHiddenLayers, numHiddenLayers), (.numAttentionHeads, numAttentionHeads),
      (.numKeyValueHeads, numKeyValueHeads),
    ]
  }

  /// Throws for values that are well-formed and unsupported.
  func validate() throws(ConfigurationProblem) {
    try checkPositive(sizes)
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
    guard sections.count == 3, sections.allSatisfy({ $0 >= 0 }),
      sections.reduce(0, +) == headWidth / 2
    else {
      throw ConfigurationProblem(
        CodingKeys.ropeScaling.rawValue,
        "three sections of type mrope must share the \(headWidth / 2) frequencies of a head")
    }
  }
}
