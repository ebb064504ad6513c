/// `text_encoder_3/config.json` of transformers' `T5EncoderModel`. Defaults are transformers',
/// except for the feed-forward layers, which are those of T5 v1.1.
public struct T5Configuration: ModelConfiguration {
  /// Rows of the embedding table; more than the tokenizer has tokens.
  public var vocabSize = 32128
  /// Width of a token.
  public var dModel = 512
  /// Width of one head; the product with the number of heads may differ from `dModel`.
  public var dKv = 64
  /// Hidden width of a feed-forward layer.
  public var dFf = 2048
  public var numLayers = 6
  public var numHeads = 8
  /// Buckets of relative distances, both directions together.
  public var relativeAttentionNumBuckets = 32
  /// Distance, in tokens, from which on all distances share a bucket.
  public var relativeAttentionMaxDistance = 128
  public var layerNormEpsilon = 1e-6
  /// The kind of feed-forward layer; only `gated-gelu` is supported.
  public var feedForwardProj = Self.gatedGELU
  /// Newer transformers derive it from `feedForwardProj` and write it as well.
  public var denseActFn = Self.newGELU
  /// Newer transformers derive it from `feedForwardProj` and write it as well.
  public var isGatedAct = true

  private static let gatedGELU = "gated-gelu"
  private static let newGELU = "gelu_new"

  /// transformers' defaults, with the feed-forward layers of T5 v1.1.
  public init() {}

  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    vocabSize = try file.value(.vocabSize, or: vocabSize)
    dModel = try file.value(.dModel, or: dModel)
    dKv = try file.value(.dKv, or: dKv)
    dFf = try file.value(.dFf, or: dFf)
    numLayers = try file.value(.numLayers, or: numLayers)
    numHeads = try file.value(.numHeads, or: numHeads)
    relativeAttentionNumBuckets = try file.value(
      .relativeAttentionNumBuckets, or: relativeAttentionNumBuckets)
    relativeAttentionMaxDistance = try file.value(
      .relativeAttentionMaxDistance, or: relativeAttentionMaxDistance)
    layerNormEpsilon = try file.value(.layerNormEpsilon, or: layerNormEpsilon)
    // A file without the key describes the first T5, which has other layers.
    feedForwardProj = try file.value(.feedForwardProj, or: "relu")
    denseActFn = try file.value(.denseActFn, or: denseActFn)
    isGatedAct = try file.value(.isGatedAct, or: isGatedAct)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case vocabSize = "vocab_size"
    case dModel = "d_model"
    case dKv = "d_kv"
    case dFf = "d_ff"
    case numLayers = "num_layers"
    case numHeads = "num_heads"
    case relativeAttentionNumBuckets = "relative_attention_num_buckets"
    case relativeAttentionMaxDistance = "relative_attention_max_distance"
    case layerNormEpsilon = "layer_norm_epsilon"
    case feedForwardProj = "feed_forward_proj"
    case denseActFn = "dense_act_fn"
    case isGatedAct = "is_gated_act"
  }

  public static let className = "T5EncoderModel"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// Keys for the decoder, training from scratch, generation or bookkeeping; without effect here.
  public static let harmlessKeys: Set<String> = [
    "num_decoder_layers", "decoder_start_token_id", "is_encoder_decoder", "is_decoder",
    "tie_word_embeddings", "tie_encoder_decoder", "scale_decoder_outputs", "use_cache",
    "output_past", "n_positions", "task_specific_params", "dropout_rate", "classifier_dropout",
    "initializer_factor", "pad_token_id", "eos_token_id", "bos_token_id",
    "output_attentions", "output_hidden_states", "return_dict", "use_return_dict",
    "chunk_size_feed_forward", "id2label", "label2id", "problem_type",
  ]
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("t5"),
  ]

  public func validate() throws(ConfigurationProblem) {
    let counts = [
      (CodingKeys.vocabSize, vocabSize), (.dModel, dModel), (.dKv, dKv), (.dFf, dFf),
      (.numLayers, numLayers), (.numHeads, numHeads),
    ]
    try checkPositive(counts)
    guard relativeAttentionNumBuckets >= 4 else {
      throw ConfigurationProblem(
        CodingKeys.relativeAttentionNumBuckets.rawValue,
        "\(relativeAttentionNumBuckets) is less than 4")
    }
    guard relativeAttentionMaxDistance > relativeAttentionNumBuckets / 4 else {
      throw ConfigurationProblem(
        CodingKeys.relativeAttentionMaxDistance.rawValue,
        "\(relativeAttentionMaxDistance) leaves no distance to put in common buckets")
    }
    guard feedForwardProj == Self.gatedGELU else {
      throw ConfigurationProblem(
        CodingKeys.feedForwardProj.rawValue,
        "'\(feedForwardProj)' (transformers' default is 'relu') is not '\(Self.gatedGELU)', the "
          + "feed-forward layer of T5 v1.1")
    }
    guard denseActFn == Self.newGELU, isGatedAct else {
      throw ConfigurationProblem(
        CodingKeys.denseActFn.rawValue,
        "'\(denseActFn)', gated: \(isGatedAct), contradicts feed_forward_proj '\(feedForwardProj)'")
    }
  }
}
