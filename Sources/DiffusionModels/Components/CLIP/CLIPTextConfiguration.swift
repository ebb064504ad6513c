/// `text_encoder/config.json` of transformers' `CLIPTextModelWithProjection`; defaults are
/// transformers'.
public struct CLIPTextConfiguration: ModelConfiguration, CLIPTowerConfiguration {
  /// Tokens of the vocabulary.
  public var vocabSize = 49408
  /// Width of a token.
  public var hiddenSize = 512
  /// Width of a layer's feed-forward.
  public var intermediateSize = 2048
  /// Width of the pooled and projected prompt.
  public var projectionDim = 512
  public var numHiddenLayers = 12
  public var numAttentionHeads = 8
  /// The longest prompt, in tokens, including the start and end tokens.
  public var maxPositionEmbeddings = 77
  public var hiddenAct = Activation.quickGELU
  public var layerNormEps = 1e-5
  public var bosTokenId = 49406
  /// 2 selects the token with the highest id, transformers' rule for old checkpoints.
  public var eosTokenId = 49407
  public var padTokenId = 1

  /// The supported activations.
  public enum Activation: String, Codable, Sendable {
    /// `x * sigmoid(1.702 x)`
    case quickGELU = "quick_gelu"
    /// Exact GELU.
    case gelu
  }

  /// transformers' defaults.
  public init() {}

  public init(from decoder: any Decoder) throws { try read(decoder) }

  /// Reads the keys that are present.
  mutating func read(_ decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    vocabSize = try file.value(.vocabSize, or: vocabSize)
    hiddenSize = try file.value(.hiddenSize, or: hiddenSize)
    intermediateSize = try file.value(.intermediateSize, or: intermediateSize)
    projectionDim = try file.value(.projectionDim, or: projectionDim)
    numHiddenLayers = try file.value(.numHiddenLayers, or: numHiddenLayers)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    maxPositionEmbeddings = try file.value(.maxPositionEmbeddings, or: maxPositionEmbeddings)
    hiddenAct = try file.value(.hiddenAct, or: hiddenAct)
    layerNormEps = try file.value(.layerNormEps, or: layerNormEps)
    bosTokenId = try file.value(.bosTokenId, or: bosTokenId)
    eosTokenId = try file.value(.eosTokenId, or: eosTokenId)
    padTokenId = try file.value(.padTokenId, or: padTokenId)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case vocabSize = "vocab_size"
    case hiddenSize = "hidden_size"
    case intermediateSize = "intermediate_size"
    case projectionDim = "projection_dim"
    case numHiddenLayers = "num_hidden_layers"
    case numAttentionHeads = "num_attention_heads"
    case maxPositionEmbeddings = "max_position_embeddings"
    case hiddenAct = "hidden_act"
    case layerNormEps = "layer_norm_eps"
    case bosTokenId = "bos_token_id"
    case eosTokenId = "eos_token_id"
    case padTokenId = "pad_token_id"
  }

  public static let className = "CLIPTextModelWithProjection"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// Keys for training from scratch, generation or bookkeeping; without effect here.
  public static let harmlessKeys: Set<String> = [
    "attention_dropout", "dropout", "initializer_factor", "initializer_range",
    "output_attentions", "output_hidden_states", "return_dict", "use_return_dict",
    "chunk_size_feed_forward", "is_encoder_decoder", "id2label", "label2id", "problem_type",
  ]
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("clip_text_model"),
  ]

  public func validate() throws(ConfigurationProblem) {
    try checkPositive([
      (CodingKeys.vocabSize, vocabSize), (.projectionDim, projectionDim),
      (.numHiddenLayers, numHiddenLayers), (.maxPositionEmbeddings, maxPositionEmbeddings),
    ])
    try checkTower()
  }
}

extension CLIPTowerConfiguration {
  /// Checks the keys that both towers have.
  func checkTower() throws(ConfigurationProblem) {
    typealias Key = CLIPTextConfiguration.CodingKeys
    try checkPositive([
      (Key.hiddenSize, hiddenSize), (.intermediateSize, intermediateSize),
      (.numAttentionHeads, numAttentionHeads),
    ])
    guard hiddenSize % numAttentionHeads == 0 else {
      throw ConfigurationProblem(
        Key.hiddenSize.rawValue,
        "\(hiddenSize) is not a multiple of num_attention_heads, \(numAttentionHeads)")
    }
  }
}
