import DiffusionModels
import Foundation
import TestSupport
import Testing

@Suite struct Qwen25VLConfigurationTests {
  /// The language model's entries in the folder of Qwen2.5-VL-7B.
  private let published = """
    "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
    "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02,
    "intermediate_size": 18944, "max_position_embeddings": 128000, "max_window_layers": 28,
    "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "use_cache": true,
    "use_sliding_window": false, "vocab_size": 152064,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}
    """

  private func read(_ text: String) throws -> Qwen25VLConfiguration {
    try Qwen25VLConfiguration(json: Data("{\(text)}".utf8), path: "config.json")
  }

  @Test func `the forms at the top, in text_config, in both, and of transformers 5 are equal`()
    throws
  {
    let expected = Qwen25VLConfiguration()
    let further = """
      "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl",
      "image_token_id": 151655, "vision_token_id": 151654, "tie_word_embeddings": false,
      "vision_config": {"depth": 32, "window_size": 112, "fullatt_block_indexes": [7, 15]}
      """
    let newer =
      published.replacing(#""rope_theta": 1000000.0, "#, with: "")
      .replacing(
        #""rope_scaling": {"type": "mrope","#,
        with: #""rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default","#)
    try #require(newer != published)
    let layers = #""layer_types": ["full_attention", "full_attention"], "pad_token_id": null"#
    for text in [
      "\(published), \(further)", #""text_config": {\#(published)}, \#(further)"#,
      #"\#(published), "text_config": {\#(published), \#(layers)}, \#(further)"#,
      #""text_config": {\#(newer), \#(layers)}, \#(further)"#,
      #"\#(published), "text_config": null"#,
    ] {
      #expect(try read(text) == expected)
    }
  }

  @Test func `values that differ from the defaults are read from both forms`() throws {
    let flat = try Qwen25VLConfiguration(
      contentsOf: fixture("qwen-text/published/text_encoder/config.json")
    ).language
    #expect(flat.ropeScaling.mropeSection == [2, 1, 1] && flat.numHiddenLayers == 2)
    let changed = published.replacing("1000000.0", with: "5000.0")
      .replacing("1e-06", with: "1e-05").replacing("[16, 24, 24]", with: "[8, 28, 28]")
    let newer = changed.replacing(#""rope_theta": 5000.0, "#, with: "")
      .replacing(
        #""rope_scaling": {"#, with: #""rope_parameters": {"rope_theta": 5000.0, "#)
    for text in [changed, #""text_config": {\#(newer)}"#] {
      let language = try read(text).language
      #expect(language.ropeTheta == 5000 && language.rmsNormEps == 1e-5)
      #expect(language.ropeScaling.mropeSection == [8, 28, 28])
    }
  }

  /// A replacement in the published entries, and the key that the error names; where the entries
  /// are in `text_config`, the key begins with it.
  @Test(arguments: [
    (#""silu""#, #""gelu""#, "hidden_act"),
    (#""use_sliding_window": false"#, #""use_sliding_window": true"#, "use_sliding_window"),
    (#""num_key_value_heads": 4"#, #""num_key_value_heads": 3"#, "num_key_value_heads"),
    (#""num_key_value_heads": 4,"#, "", "num_key_value_heads"),
    (#""num_hidden_layers": 28"#, #""num_hidden_layers": null"#, "num_hidden_layers"),
    (#""rms_norm_eps": 1e-06,"#, "", "rms_norm_eps"),
    (#""hidden_size": 3584"#, #""hidden_size": 3585"#, "hidden_size"),
    ("[16, 24, 24]", "[16, 24]", "rope_scaling"),
    (#""type": "mrope""#, #""type": "yarn""#, "rope_scaling"),
    (#""type": "mrope""#, #""rope_type": "yarn""#, "rope_scaling"),
    (#""type": "mrope""#, #""factor": 4"#, "rope_scaling.factor"),
    (
      #""rope_scaling": {"#, #""rope_parameters": {"rope_theta": 1e6, "factor": 2, "#,
      "rope_parameters.factor"
    ),
    (#""silu""#, #""silu", "layer_types": ["sliding_attention"]"#, "layer_types"),
  ])
  func `an unsupported configuration is an error that names its key`(
    found: String, replacement: String, key: String
  ) throws {
    try #require(published.contains(found))
    let text = published.replacing(found, with: replacement)
    for (text, key) in [(text, key), (#""text_config": {\#(text)}"#, "text_config.\(key)")] {
      let error = #expect(throws: ModelError.self) { try read(text) }
      guard case .unsupported(_, let named, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        continue
      }
      #expect(named == key)
    }
  }

  @Test(arguments: ["hidden_size", "num_key_value_heads", "rms_norm_eps", "rope_theta"])
  func `entries at the top that contradict text_config are an error`(key: String) throws {
    let error = #expect(throws: ModelError.self) {
      try read(#""\#(key)": 2, "text_config": {\#(published)}"#)
    }
    #expect(error?.description == "config.json: '\(key)': differs from text_config.\(key)")
  }

  @Test func `unknown keys are named`() throws {
    let top = #expect(throws: ModelError.self) { try read(#"\#(published), "head_dim": 128"#) }
    #expect(top?.description.contains("unknown key 'head_dim'") == true)
    let inner = #expect(throws: ModelError.self) {
      try read(#""text_config": {\#(published), "head_dim": 128}"#)
    }
    #expect(inner?.description.contains("'text_config.head_dim': unknown key") == true)
  }

  @Test(arguments: ["published", "saved"])
  func `a written configuration is read back`(name: String) throws {
    let configuration = try Qwen25VLConfiguration(
      contentsOf: fixture("qwen-text/\(name)/text_encoder/config.json"))
    #expect(configuration != Qwen25VLConfiguration())
    let written = try Qwen25VLConfiguration(json: configuration.json(), path: "config.json")
    #expect(written == configuration)
  }
}
