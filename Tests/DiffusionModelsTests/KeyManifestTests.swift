import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct KeyManifestTests {
  @Test func `Stable Diffusion 3.5 Medium has diffusers' keys and shapes`() throws {
    var configuration = SD3TransformerConfiguration()
    configuration.numLayers = 24
    configuration.numAttentionHeads = 24
    configuration.captionProjectionDim = 1536
    configuration.posEmbedMaxSize = 384
    configuration.dualAttentionLayers = Array(0...12)
    configuration.qkNorm = .rmsNorm
    let store = ParameterStore(.meta)
    _ = try SD3Transformer2DModel(configuration, store.root)
    let found = store.weights.map { "\($0.name) \($0.tensor.shape)" }.sorted()
    let expected = try String(
      contentsOfFile: fixture("models/sd35-medium-keys.txt"), encoding: .utf8
    ).split(separator: "\n").map(String.init)
    #expect(found == expected)
  }

  @Test func `a network made from nothing has finite outputs and the position table of diffusers`()
    throws
  {
    let given = try FixtureCase(
      "transformer-sd35", SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model")
    let reference = ParameterStore(
      .checkpoint(
        try Checkpoint.open(
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
        condition: TextCondition(
          rows: Tensor.zeros([1, 2, 14]), pooled: Tensor.zeros([1, 10]), zeroRowCount: 2))
    }
    #expect(velocity.shape == [1, 4, 6, 4])
    #expect(velocity.isFinite().all().item() == 1)
  }
}
