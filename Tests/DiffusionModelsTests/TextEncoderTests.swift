import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct TextEncoderTests {
  @Test(arguments: ["text-encoder-t5", "text-encoder-t5-wide"])
  func `T5 and its gradients equal transformers'`(name: String) throws {
    let given = try FixtureCase(name, T5Configuration.self, weights: "model")
    let model = try T5EncoderModel(given.configuration, given.store.root)
    try given.store.finish()
    try given.check(["hidden": model(try prompts(given))])
  }

  /// The precisions, with mantissas of 10 and 7 bits, and the relative error of rounding in another
  /// order over three blocks.
  @Test(arguments: [(DType.float16, "float16", 2e-3), (.bfloat16, "bfloat16", 2e-2)])
  func `T5 in half precision is close to transformers'`(
    dtype: DType, key: String, tolerance: Double
  ) throws {
    let name = "text-encoder-t5-wide"
    let given = try FixtureCase(name, T5Configuration.self, weights: "model")
    let source = try WeightsFile.open(folder: fixture("models/\(name)"), baseName: "model")
    let store = ParameterStore(.checkpoint(source), dtype: dtype)
    let model = try T5EncoderModel(given.configuration, store.root)
    let hidden = try withoutGradient { model(try prompts(given)) }
    #expect(hidden.dtype == dtype)
    #expect(relativeError(hidden.to(.float32), try given[key]) < tolerance)
  }

  @Test func `distances beyond the longest share a bucket, one for each direction`() {
    var configuration = T5Configuration()
    configuration.relativeAttentionMaxDistance = 128
    let length = 300
    let buckets = configuration.distanceBuckets(length: length)
    #expect(buckets.count == length * length)
    #expect(buckets[0] == 0)
    #expect(Array(buckets[..<9]) == [0, 17, 18, 19, 20, 21, 22, 23, 24])
    #expect(buckets[200] == 31 && buckets[299] == 31)
    #expect(buckets[299 * length] == 15 && buckets[299 * length + 291] == 8)
  }

  @Test func `the embedding table may also have its second name`() throws {
    let folder = fixture("models/text-encoder-t5")
    let configuration = try T5Configuration(contentsOf: "\(folder)/config.json")
    var tensors = try WeightsFile.open(folder: folder, baseName: "model").tensors
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"]
    let store = ParameterStore(.checkpoint(tensors, origin: "here"))
    _ = try T5EncoderModel(configuration, store.root)
    try store.finish()
  }

  /// Of a tensor with several names, `safetensors.torch.save_model` keeps the alphabetically first.
  @Test func `the embedding table may have only its second name`() throws {
    let given = try FixtureCase("text-encoder-t5", T5Configuration.self, weights: "model")
    var tensors = try WeightsFile.open(
      folder: fixture("models/text-encoder-t5"), baseName: "model"
    ).tensors
    tensors["encoder.embed_tokens.weight"] = try #require(tensors["shared.weight"])
    tensors["shared.weight"] = nil
    let store = ParameterStore(.checkpoint(tensors, origin: "here"))
    let model = try T5EncoderModel(given.configuration, store.root)
    try store.finish()
    let hidden = try withoutGradient { model(try prompts(given)) }
    #expect(relativeError(hidden, try given["hidden"]) < 1e-5)
    // Without either name, the error names the first.
    tensors["encoder.embed_tokens.weight"] = nil
    let error = #expect(throws: ParameterError.self) {
      try T5EncoderModel(
        given.configuration, ParameterStore(.checkpoint(tensors, origin: "here")).root)
    }
    #expect(error == .missing(key: "shared.weight", origin: "here"))
  }

  // MARK: - Full size

  @Test func `T5-XXL has transformers' keys and shapes`() throws {
    let configuration = try T5Configuration(json: Data(publishedT5.utf8), path: "config.json")
    try KeyManifest.check("t5-xxl-text-encoder") { _ = try T5EncoderModel(configuration, $0) }
  }

  @Test(arguments: [
    ("clip-l-text-encoder", 768, 12, 12, "quick_gelu"),
    ("clip-g-text-encoder", 1280, 32, 20, "gelu"),
  ])
  func `the published CLIP encoders have transformers' keys and shapes`(
    name: String, width: Int, layers: Int, heads: Int, activation: String
  ) throws {
    let json = """
      {"_name_or_path": "x", "architectures": ["CLIPTextModelWithProjection"],
       "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2,
       "hidden_act": "\(activation)", "hidden_size": \(width), "initializer_factor": 1.0,
       "initializer_range": 0.02, "intermediate_size": \(4 * width), "layer_norm_eps": 1e-05,
       "max_position_embeddings": 77, "model_type": "clip_text_model",
       "num_attention_heads": \(heads), "num_hidden_layers": \(layers), "pad_token_id": 1,
       "projection_dim": \(width), "torch_dtype": "float16", "transformers_version": "4.41.2",
       "vocab_size": 49408}
      """
    let configuration = try CLIPTextConfiguration(json: Data(json.utf8), path: "config.json")
    try KeyManifest.check(name) { _ = try CLIPTextModelWithProjection(configuration, $0) }
  }

  // MARK: - Configuration

  @Test(arguments: [
    (#""feed_forward_proj": "relu""#, "feed_forward_proj"),
    (#""dense_act_fn": "relu""#, "dense_act_fn"), (#""is_gated_act": false"#, "dense_act_fn"),
    (#""relative_attention_num_buckets": 2"#, "relative_attention_num_buckets"),
    (#""relative_attention_max_distance": 8"#, "relative_attention_max_distance"),
    (#""num_heads": 0"#, "num_heads"),
  ])
  func `an unsupported T5 configuration is an error that names its key`(
    entry: String, key: String
  ) throws {
    let text =
      entry.contains("feed_forward_proj")
      ? "{\(entry)}" : #"{"feed_forward_proj": "gated-gelu", \#(entry)}"#
    let error = #expect(throws: ModelError.self) {
      try T5Configuration(json: Data(text.utf8), path: "config.json")
    }
    guard case .unsupported(_, let found, _) = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(found == key)
  }

  @Test func `a T5 file without the kind of feed-forward layer is read as the first T5`() {
    #expect(throws: ModelError.self) {
      try T5Configuration(json: Data(#"{"d_model": 8}"#.utf8), path: "config.json")
    }
  }

  @Test func `a written T5 configuration is read back`() throws {
    let configuration = try T5Configuration(json: Data(publishedT5.utf8), path: "config.json")
    let written = try T5Configuration(json: configuration.json(), path: "config.json")
    #expect(written == configuration)
  }

  private func prompts(_ given: FixtureCase<T5Configuration>) throws -> [[Int]] {
    let prompts = try given["prompts"]
    return (0..<prompts.shape[0]).map { prompts.selected(dim: 0, index: $0).ints() }
  }
}

/// The published `text_encoder_3/config.json` of Stable Diffusion 3.5 Medium.
private let publishedT5 = """
  {"architectures": ["T5EncoderModel"], "classifier_dropout": 0.0, "d_ff": 10240, "d_kv": 64,
   "d_model": 4096, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new", "dropout_rate": 0.1,
   "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
   "is_encoder_decoder": true, "is_gated_act": true, "layer_norm_epsilon": 1e-06,
   "model_type": "t5", "num_decoder_layers": 24, "num_heads": 64, "num_layers": 24,
   "output_past": true, "pad_token_id": 0, "relative_attention_max_distance": 128,
   "relative_attention_num_buckets": 32, "tie_word_embeddings": false, "torch_dtype": "float16",
   "transformers_version": "4.41.2", "use_cache": true, "vocab_size": 32128}
  """
