import DiffusionModels
import Testing
import Torch
import TorchNN

@Suite struct TransformerWorkTests {
  private func configuration(dual: [Int]) -> SD3TransformerConfiguration {
    var configuration = SD3TransformerConfiguration()
    configuration.numLayers = 3
    configuration.numAttentionHeads = 2
    configuration.attentionHeadDim = 16
    configuration.captionProjectionDim = 32
    configuration.jointAttentionDim = 40
    configuration.pooledProjectionDim = 24
    configuration.posEmbedMaxSize = 4
    configuration.sampleSize = 8
    configuration.dualAttentionLayers = dual
    return configuration
  }

  /// An independent count: every matrix among the network's parameters, times its tokens.
  private func linears(
    _ configuration: SD3TransformerConfiguration, image: Int, text: Int, config: LoRAConfig?
  ) throws -> (base: Double, adapters: Double) {
    let store = ParameterStore(
      .meta, device: .meta, adapters: config.map { ($0, .meta) }, trainable: .adapters)
    _ = try SD3Transformer2DModel(configuration, store.root)
    var base = 0.0
    var adapters = 0.0
    for (name, tensor) in store.weights + store.adapters where tensor.rank >= 2 {
      // A table, and the last block's text queries, which are unused parameters of checkpoints.
      let last = "transformer_blocks.\(configuration.numLayers - 1).attn.add_q_proj"
      guard name != "pos_embed.pos_embed", !name.hasPrefix(last) else { continue }
      // Computed once per prompt because its layer has no adapter.
      guard config == nil || !name.hasPrefix("context_embedder") else { continue }
      let isText = ["add_", "ff_context", "context_embedder"].contains { name.contains($0) }
      let isVector = name.contains("time_text") || name.contains("norm")
      let tokens = isVector ? 1 : isText ? text : image
      let work = 2 * Double(tensor.count * tokens)
      if name.contains("lora_") { adapters += work } else { base += work }
    }
    return (base, adapters)
  }

  @Test(arguments: [[], [0, 1]])
  func `the work of a row is its matrices times its tokens, and attention`(dual: [Int]) throws {
    let configuration = configuration(dual: dual)
    let (s, t) = (12, 7)
    let attention =
      4.0 * 32 * Double(2 * (s + t) * (s + t) + s * (s + t) + dual.count * s * s)
    let config = LoRAConfig(rank: 4, alpha: 8, targets: ["attn.to_q", "attn.add_k_proj", "to_out.0"])
    let (whole, _) = try linears(configuration, image: s, text: t, config: nil)
    let full = configuration.work(imageTokens: s, textTokens: t, .full)
    #expect(full.forward == whole + attention)
    #expect(full.training == 3 * (whole + attention))
    let (base, adapters) = try linears(configuration, image: s, text: t, config: config)
    let adapted = configuration.work(
      imageTokens: s, textTokens: t, .adapters(config))
    #expect(adapters > 0)
    #expect(adapted.forward == base + adapters + attention)
    #expect(adapted.training == 2 * base + 3 * adapters + 3 * attention)
  }
}
