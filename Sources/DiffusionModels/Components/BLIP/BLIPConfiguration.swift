/// `config.json` of ImageReward: BLIP's two encoders in their own layout, and the linear layers
/// after them. Written by `Tools/convert_imagereward.py`; defaults are those of ImageReward v1.0.
public struct BLIPConfiguration: ModelConfiguration {
  /// Pixels along a side of an image.
  public var imageSize = 224
  /// Pixels along a side of a patch.
  public var patchSize = 16
  /// Width of a patch.
  public var visionWidth = 1024
  public var visionLayers = 24
  public var visionHeads = 16
  /// Tokens of the vocabulary.
  public var vocabSize = 30524
  /// Width of a token.
  public var hiddenSize = 768
  /// Width of the feed-forward layers of the text encoder.
  public var intermediateSize = 3072
  public var numHiddenLayers = 12
  public var numAttentionHeads = 12
  /// The longest prompt, in tokens.
  public var maxPositionEmbeddings = 512
  public var layerNormEps = 1e-12
  /// Hidden widths of the linear layers after the encoders.
  public var headWidths = [1024, 128, 64, 16]

  /// The values of ImageReward v1.0.
  public init() {}

  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    imageSize = try file.value(.imageSize, or: imageSize)
    patchSize = try file.value(.patchSize, or: patchSize)
    visionWidth = try file.value(.visionWidth, or: visionWidth)
    visionLayers = try file.value(.visionLayers, or: visionLayers)
    visionHeads = try file.value(.visionHeads, or: visionHeads)
    vocabSize = try file.value(.vocabSize, or: vocabSize)
    hiddenSize = try file.value(.hiddenSize, or: hiddenSize)
    intermediateSize = try file.value(.intermediateSize, or: intermediateSize)
    numHiddenLayers = try file.value(.numHiddenLayers, or: numHiddenLayers)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    maxPositionEmbeddings = try file.value(.maxPositionEmbeddings, or: maxPositionEmbeddings)
    layerNormEps = try file.value(.layerNormEps, or: layerNormEps)
    headWidths = try file.value(.headWidths, or: headWidths)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case imageSize = "image_size"
    case patchSize = "patch_size"
    case visionWidth = "vision_width"
    case visionLayers = "vision_layers"
    case visionHeads = "vision_heads"
    case vocabSize = "vocab_size"
    case hiddenSize = "hidden_size"
    case intermediateSize = "intermediate_size"
    case numHiddenLayers = "num_hidden_layers"
    case numAttentionHeads = "num_attention_heads"
    case maxPositionEmbeddings = "max_position_embeddings"
    case layerNormEps = "layer_norm_eps"
    case headWidths = "head_widths"
  }

  public static let className = "ImageReward"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  public static let harmlessKeys: Set<String> = []
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className])
  ]

  public func validate() throws(ConfigurationProblem) {
    let counts = [
      (CodingKeys.imageSize, imageSize), (.patchSize, patchSize), (.visionWidth, visionWidth),
      (.visionLayers, visionLayers), (.visionHeads, visionHeads), (.vocabSize, vocabSize),
      (.hiddenSize, hiddenSize), (.intermediateSize, intermediateSize),
      (.numHiddenLayers, numHiddenLayers), (.numAttentionHeads, numAttentionHeads),
      (.maxPositionEmbeddings, maxPositionEmbeddings),
    ]
    try checkPositive(counts)
    for (key, value, divisor) in [
      (CodingKeys.imageSize, imageSize, patchSize), (.visionWidth, visionWidth, visionHeads),
      (.hiddenSize, hiddenSize, numAttentionHeads),
    ] where value % divisor != 0 {
      throw ConfigurationProblem(key.rawValue, "\(value) is not a multiple of \(divisor)")
    }
    guard headWidths.allSatisfy({ $0 > 0 }) else {
      throw ConfigurationProblem(CodingKeys.headWidths.rawValue, "a width is not positive")
    }
  }
}
