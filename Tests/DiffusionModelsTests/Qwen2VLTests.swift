import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct Qwen2VLTests {
  private let folder = fixture("models/qwen2-vl")

  /// The two networks of the fixture.
  private struct Networks {
    let vision: Qwen2VLVisionTower
    let language: Qwen2LanguageModel

    init(_ folder: String, _ dtype: DType) throws {
      let configuration = try Qwen2VLConfiguration(contentsOf: "\(folder)/config.json")
      let checkpoint = try WeightsFile.open(folder: folder, baseName: "model")
      let store = ParameterStore(.checkpoint(checkpoint), dtype: dtype)
      vision = try Qwen2VLVisionTower(configuration.visionConfig, store.root["visual"])
      language = try Qwen2LanguageModel(configuration.language, store.root["model"])
      store.root.ignore("lm_head.weight")
      try store.finish()
    }
  }

  /// Each precision with its prefix in the fixture, and the relative error of rounding in another
  /// order: bfloat16 has 8 bits.
  @Test(arguments: [(DType.float32, "", parityTolerance), (.bfloat16, "bfloat16.", 2e-2)])
  func `both networks equal transformers', with an image's positions on three axes`(
    dtype: DType, prefix: String, tolerance: Double
  ) throws {
    let networks = try Networks(folder, dtype)
    let given = try WeightsFile(path: "\(folder)/case.safetensors").tensors
    func tensor(_ name: String) throws -> Tensor { try #require(given[name]) }
    let positions = try tensor("positions")
    let axes = (0..<3).map { positions.selected(dim: 0, index: $0).ints() }
    #expect(axes[0] != axes[1] && axes[1] != axes[2])
    let (features, hidden) = try withoutGradient {
      (
        networks.vision(try tensor("patches"), rows: 4, columns: 6),
        networks.language(try tensor("embeddings").to(dtype), positions: axes)
      )
    }
    #expect(features.dtype == dtype && hidden.dtype == dtype)
    let expected = (try tensor("\(prefix)features"), try tensor("\(prefix)hidden"))
    #expect(relativeError(features.to(.float32), expected.0) < tolerance)
    #expect(relativeError(hidden.to(.float32), expected.1) < tolerance)
    let ids = try tensor("ids")
    let rows = (0..<2).map { ids.selected(dim: 0, index: $0).ints() }
    if dtype == .float32 {
      let text = networks.language.embed(rows).narrowed(dim: 1, start: 9, length: 4)
      let whole = try tensor("embeddings").narrowed(dim: 1, start: 9, length: 4)
      #expect(relativeError(text, whole) == 0)
    }
  }

  @Test func `the published size has the published keys and shapes`() throws {
    var configuration = Qwen2VLConfiguration()
    configuration.language.vocabSize = 151_658
    try KeyManifest.check("hpsv3") {
      _ = try Qwen2VLVisionTower(configuration.visionConfig, $0["visual"])
      _ = try Qwen2LanguageModel(configuration.language, $0["model"])
    }
  }

  @Test(arguments: [
    (#""hidden_act": "gelu""#, "hidden_act"),
    (#""use_sliding_window": true"#, "use_sliding_window"),
    (#""num_key_value_heads": 3"#, "num_key_value_heads"), (#""hidden_size": 35"#, "hidden_size"),
    (#""rope_scaling": {"type": "mrope", "mrope_section": [16, 24]}"#, "rope_scaling"),
    (#""rope_scaling": {"type": "yarn", "mrope_section": [16, 24, 24]}"#, "rope_scaling"),
    (#""vision_config": {"hidden_size": 1536}"#, "vision_config.hidden_size"),
    (#""vision_config": {"num_heads": 7}"#, "vision_config.embed_dim"),
    (#""vision_config": {"depth": 0}"#, "vision_config.depth"),
    (#""vision_config": {"window_size": 112}"#, "vision_config.window_size"),
  ])
  func `an unsupported configuration is an error that names its key`(
    entry: String, key: String
  ) throws {
    let error = #expect(throws: ModelError.self) {
      try Qwen2VLConfiguration(json: Data("{\(entry)}".utf8), path: "config.json")
    }
    guard case .unsupported(_, let found, _) = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(found == key)
  }

  @Test func `a written configuration is read back`() throws {
    let configuration = try Qwen2VLConfiguration(contentsOf: "\(folder)/config.json")
    let written = try Qwen2VLConfiguration(json: configuration.json(), path: "config.json")
    #expect(written == configuration)
  }
}
