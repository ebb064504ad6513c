/// `config.json` of transformers' `CLIPModel`: both towers and their common projection width.
public struct CLIPConfiguration: ModelConfiguration {
  /// The text tower; its `projectionDim` is that of this file.
  public var text = CLIPTextConfiguration()
  /// The image tower; its `projectionDim` is that of this file.
  public var vision = CLIPVisionConfiguration()
  /// Width of both projections.
  public var projectionDim = 512

  /// transformers' defaults.
  public init() {}

  /// Older files repeat the towers' values in `text_config_dict` and `vision_config_dict`; the
  /// repeated values take precedence.
  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    for key in [CodingKeys.text, .textAgain] where try file.has(key) {
      try file.checkKeys(key, CLIPTextConfiguration.self, further: generationKeys)
      try text.read(file.superDecoder(forKey: key))
    }
    for key in [CodingKeys.vision, .visionAgain] where try file.has(key) {
      try file.checkKeys(key, CLIPVisionConfiguration.self, further: generationKeys)
      try vision.read(file.superDecoder(forKey: key))
    }
    projectionDim = try file.value(.projectionDim, or: projectionDim)
    text.projectionDim = projectionDim
    vision.projectionDim = projectionDim
  }

  public func encode(to encoder: any Encoder) throws {
    var file = encoder.container(keyedBy: CodingKeys.self)
    try file.encode(text, forKey: .text)
    try file.encode(vision, forKey: .vision)
    try file.encode(projectionDim, forKey: .projectionDim)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case text = "text_config"
    case vision = "vision_config"
    case textAgain = "text_config_dict"
    case visionAgain = "vision_config_dict"
    case projectionDim = "projection_dim"
  }

  public static let className = "CLIPModel"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// Keys for training from scratch or bookkeeping; without effect here.
  public static let harmlessKeys: Set<String> = [
    "initializer_factor", "logit_scale_init_value", "output_attentions", "output_hidden_states",
    "return_dict", "use_return_dict",
  ]
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("clip"),
  ]

  public func validate() throws(ConfigurationProblem) {
    do { try text.validate() } catch {
      throw ConfigurationProblem("\(CodingKeys.text.rawValue).\(error.key)", error.reason)
    }
    do { try vision.validate() } catch {
      throw ConfigurationProblem("\(CodingKeys.vision.rawValue).\(error.key)", error.reason)
    }
  }
}

extension KeyedDecodingContainer {
  /// Whether the key has a value other than null.
  fileprivate func has(_ key: Key) throws -> Bool { try contains(key) && !decodeNil(forKey: key) }
}

/// Keys that older versions of transformers write into every nested configuration. They concern
/// text generation, classification heads and Python's return types.
private let generationKeys: Set<String> = [
  "add_cross_attention", "bad_words_ids", "begin_suppress_tokens", "bos_token_id",
  "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample",
  "early_stopping", "encoder_no_repeat_ngram_size", "eos_token_id",
  "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
  "forced_eos_token_id", "is_decoder", "length_penalty", "max_length", "min_length",
  "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
  "output_scores", "pad_token_id", "prefix", "pruned_heads", "remove_invalid_values",
  "repetition_penalty", "return_dict_in_generate", "sep_token_id", "suppress_tokens",
  "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
  "tie_word_embeddings", "tokenizer_class", "top_k", "top_p", "torchscript", "typical_p",
  "use_bfloat16",
]
