import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct KeyManifestTests {
  @Test(arguments: [
    "sd3-medium-transformer", "sd35-medium-transformer", "sd35-large-transformer",
  ])
  func `every published transformer has diffusers' keys and shapes`(name: String) throws {
    try KeyManifest.check(name) {
      _ = try SD3Transformer2DModel(KeyManifest.configuration(name), $0)
    }
  }

  @Test func `the transformer of Qwen-Image has diffusers' keys and shapes`() throws {
    try KeyManifest.check("qwen-image-transformer") {
      _ = try QwenImageTransformer2DModel(KeyManifest.configuration("qwen-image-transformer"), $0)
    }
  }

  @Test func `the autoencoder of Stable Diffusion 3 has diffusers' keys and shapes`() throws {
    let configuration = try KeyManifest.configuration("sd3-vae", AutoencoderKLConfiguration.self)
    try KeyManifest.check("sd3-vae") { _ = try AutoencoderKL(configuration, $0) }
    #expect(configuration.tileUnit == 32)
  }

  @Test func `an older file without the keys of Stable Diffusion 3.5 is read as version 3`() throws
  {
    let path = fixture("manifests/sd3-medium-transformer.json")
    var object = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
        as? [String: Any])
    for key in ["dual_attention_layers", "qk_norm"] {
      let value = object.removeValue(forKey: key)
      #expect(value != nil)
    }
    object["_diffusers_version"] = "0.29.0.dev0"
    let older = try JSONSerialization.data(withJSONObject: object)
    #expect(
      try SD3TransformerConfiguration(json: older, path: "config.json")
        == SD3TransformerConfiguration(contentsOf: path))
  }

  @Test func `a new network has finite outputs and the position table of diffusers`()
    throws
  {
    let given = try FixtureCase(
      "transformer-sd35", SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model")
    let reference = ParameterStore(
      .checkpoint(
        try WeightsFile.open(
          folder: fixture("models/transformer-sd35"), baseName: "diffusion_pytorch_model")))
    _ = try SD3Transformer2DModel(given.configuration, reference.root)
    let store = ParameterStore(.random(Generator(seed: 3)))
    let model = try SD3Transformer2DModel(given.configuration, store.root)
    let table = try #require(store.weights.first { $0.name == "pos_embed.pos_embed" })
    let expected = try #require(reference.weights.first { $0.name == "pos_embed.pos_embed" })
    #expect(largestDifference(table.tensor, expected.tensor) < 1e-6)
    let velocity = withoutGradient {
      model(
        Tensor.randn([1, 4, 6, 4], generator: Generator(seed: 4)),
        timestep: Tensor([500 as Float], shape: [1]),
        embeddings: SD3Conditioning(
          rows: Tensor.zeros([1, 2, 14]), pooled: Tensor.zeros([1, 10]), zeroRowCount: 2))
    }
    #expect(velocity.shape == [1, 4, 6, 4])
    #expect(velocity.isFinite().all().item() == 1)
  }
}
