import DiffusionModels
import Foundation
import TestSupport
import Testing

@Suite struct ModelConfigurationTests {
  @Test func `a written configuration is read back, with diffusers' class name`() throws {
    var configuration = SD3TransformerConfiguration()
    configuration.numLayers = 3
    configuration.dualAttentionLayers = [0, 2]
    configuration.qkNorm = .rmsNorm
    let text = try configuration.json()
    #expect(try SD3TransformerConfiguration(json: text, path: "config.json") == configuration)
    let object = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    #expect(object["_class_name"] as? String == "SD3Transformer2DModel")
    #expect(object["qk_norm"] as? String == "rms_norm")
  }

  @Test func `a missing key has the upstream class's default`() throws {
    let configuration = try read(#"{"num_layers": 2}"#)
    #expect(configuration.numLayers == 2)
    #expect(configuration.jointAttentionDim == 4096)
    #expect(configuration.qkNorm == nil)
  }

  @Test func `the largest activation of a decoder is its second level at full resolution`() {
    var published = AutoencoderKLConfiguration()
    published.blockOutChannels = [128, 256, 512, 512]
    #expect(published.largestDecoded(height: 64, width: 64) == 256 * 512 * 512)
    // Of one level, the level itself.
    published.blockOutChannels = [128]
    #expect(published.largestDecoded(height: 64, width: 32) == 128 * 64 * 32)
    // 96, 192, 384 and 384 channels.
    let qwen = AutoencoderKLQwenImageConfiguration()
    #expect(qwen.largestDecoded(height: 128, width: 128) == 192 * 1024 * 1024)
  }

  @Test func `a misspelled key is an error that names the nearest known key`() {
    #expect(
      throws: ModelError.unknownKey(
        path: "config.json", key: "num_layer", nearest: "num_layers")
    ) { try read(#"{"num_layer": 2}"#) }
  }

  @Test func `another class is an error`() {
    #expect(
      throws: ModelError.wrongClass(
        path: "config.json", expected: "SD3Transformer2DModel", found: "FluxTransformer2DModel")
    ) { try read(#"{"_class_name": "FluxTransformer2DModel", "num_layers": 2}"#) }
  }

  @Test func `a value of the wrong type is an error that names its key`() {
    let error = #expect(throws: ModelError.self) { try read(#"{"num_layers": "two"}"#) }
    guard case .wrongType(_, let key, _) = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(key == "num_layers")
  }

  @Test(arguments: [
    (#"{"dual_attention_layers": [18]}"#, "dual_attention_layers"),
    (#"{"caption_projection_dim": 64}"#, "caption_projection_dim"),
    (#"{"patch_size": 0}"#, "patch_size"),
  ])
  func `an unsupported value is an error that names its key`(text: String, key: String) {
    let error = #expect(throws: ModelError.self) { try read(text) }
    guard case .unsupported(_, let found, _) = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(found == key)
  }

  @Test func `statistics per channel of an autoencoder are refused`() {
    #expect(throws: ModelError.self) {
      try AutoencoderKLConfiguration(
        json: Data(#"{"latents_mean": [0.1, 0.2, 0.3, 0.4]}"#.utf8), path: "config.json")
    }
  }

  @Test func `a file that is not a JSON object is an error`() {
    #expect(throws: ModelError.self) { try read("[1, 2]") }
    #expect(throws: ModelError.self) { try read("{") }
    #expect(throws: ModelError.self) {
      try SD3TransformerConfiguration(contentsOf: "/nowhere/config.json")
    }
  }

  private func read(_ text: String) throws(ModelError) -> SD3TransformerConfiguration {
    try SD3TransformerConfiguration(json: Data(text.utf8), path: "config.json")
  }
}
