import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct FluxManifestTests {
  @Test(arguments: [("flux-dev-transformer", true), ("flux-schnell-transformer", false)])
  func `the published transformers have diffusers' keys and shapes`(
    name: String, hasGuidance: Bool
  ) throws {
    let configuration = try KeyManifest.configuration(name, FluxTransformerConfiguration.self)
    #expect(configuration.guidanceEmbeds == hasGuidance)
    #expect(configuration.numLayers == 19 && configuration.numSingleLayers == 38)
    try KeyManifest.check(name) { _ = try FluxTransformer2DModel(configuration, $0) }
  }

  @Test func `an older file without newer keys is read as FLUX.1-dev`() throws {
    let text = """
      {"_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30.0.dev0",
       "_name_or_path": "../checkpoints/flux-dev/transformer", "attention_head_dim": 128,
       "guidance_embeds": true, "in_channels": 64, "joint_attention_dim": 4096,
       "num_attention_heads": 24, "num_layers": 19, "num_single_layers": 38, "patch_size": 1,
       "pooled_projection_dim": 768}
      """
    #expect(
      try FluxTransformerConfiguration(json: Data(text.utf8), path: "config.json")
        == KeyManifest.configuration("flux-dev-transformer", FluxTransformerConfiguration.self))
  }

  @Test func `the text encoder and the autoencoder have the published keys and shapes`() throws {
    var text = CLIPTextConfiguration()
    text.hiddenSize = 768
    text.intermediateSize = 3072
    text.numAttentionHeads = 12
    try KeyManifest.check("flux-clip-text-encoder") { _ = try CLIPTextModel(text, $0) }
    let configuration = try KeyManifest.configuration("flux-vae", AutoencoderKLConfiguration.self)
    try KeyManifest.check("sd3-vae") { _ = try AutoencoderKL(configuration, $0) }
    #expect(configuration.scalingFactor == 0.3611 && configuration.shiftFactor == 0.1159)
  }
}

/// A network with a hundred megabytes of activations.
private func deep(_ layers: Int, single: Int) -> FluxTransformerConfiguration {
  var configuration = FluxTransformerConfiguration()
  configuration.numLayers = layers
  configuration.numSingleLayers = single
  configuration.attentionHeadDim = 64
  configuration.axesDimsRope = [16, 24, 24]
  configuration.numAttentionHeads = 4
  configuration.jointAttentionDim = 32
  configuration.pooledProjectionDim = 32
  configuration.guidanceEmbeds = true
  return configuration
}

@Suite struct FluxWorkTests {
  @Test func `the work of a row is its matrices times its tokens, and attention`() throws {
    let configuration = deep(2, single: 3)
    let (s, t) = (12, 7)
    let attention = 4.0 * 256 * Double(5 * (s + t) * (s + t))
    let config = LoRAConfig(rank: 4, alpha: 8, targets: FluxPipeline.defaults.loraTargets)
    let (whole, _) = try linears(configuration, image: s, text: t, config: nil)
    let full = configuration.work(imageTokens: s, textTokens: t, .full)
    #expect(full.forward == whole + attention)
    #expect(full.training == 3 * (whole + attention))
    let (base, adapters) = try linears(configuration, image: s, text: t, config: config)
    let adapted = configuration.work(imageTokens: s, textTokens: t, .adapters(config))
    #expect(adapters > 0)
    #expect(adapted.forward == base + adapters + attention)
    #expect(adapted.training == 2 * base + 3 * adapters + 3 * attention)
  }

  /// An independent count: every matrix among the network's parameters, times its tokens.
  private func linears(
    _ configuration: FluxTransformerConfiguration, image: Int, text: Int, config: LoRAConfig?
  ) throws -> (base: Double, adapters: Double) {
    let store = ParameterStore(
      .meta, device: .meta, adapters: config.map { ($0, .meta) }, trainable: .adapters)
    _ = try FluxTransformer2DModel(configuration, store.root)
    var (base, adapters) = (0.0, 0.0)
    for (name, tensor) in store.weights + store.adapters where tensor.rank >= 2 {
      // Computed once per prompt because its layer has no adapter.
      guard config == nil || !name.hasPrefix("context_embedder") else { continue }
      let isText = ["add_", "ff_context", "context_embedder"].contains { name.contains($0) }
      let isVector = name.contains("time_text") || name.contains("norm")
      let isBoth = name.hasPrefix("single_transformer_blocks") && !isVector
      let tokens = isVector ? 1 : isBoth ? image + text : isText ? text : image
      let work = 2 * Double(tensor.count * tokens)
      if name.contains("lora_") { adapters += work } else { base += work }
    }
    return (base, adapters)
  }
}

#if os(Linux)
  @Suite(.serialized) struct FluxMemoryTests {
    @Test func `the memory of a training step in float32 is predicted`() async {
      await #expect(processExitsWith: .success) {
        for adapted in [true, false] { try expectTrainingPredicted(.float32, adapted: adapted) }
      }
    }

    @Test func `the memory of a training step in bfloat16 is predicted`() async {
      await #expect(processExitsWith: .success) {
        try expectTrainingPredicted(.bfloat16, adapted: true)
      }
    }

    @Test func `the memory of an evaluation is predicted`() async {
      await #expect(processExitsWith: .success) {
        for (textTokens, single) in [(16, 2), (128, 2), (128, 0)] {
          expectPredicted(
            try evaluation(.float32, textTokens: textTokens, single: single), within: 0.15)
        }
        expectPredicted(try evaluation(.bfloat16, textTokens: 128, single: 2), within: 0.15)
      }
    }
  }
#endif

private func expectPredicted(_ bytes: (measured: Int, predicted: Int), within tolerance: Double) {
  let error = Double(bytes.predicted) / Double(bytes.measured) - 1
  #expect(abs(error) < tolerance, "\(bytes.measured) bytes, predicted \(bytes.predicted)")
}

/// With gradient checkpointing and without.
private func expectTrainingPredicted(_ dtype: DType, adapted: Bool) throws {
  for recomputing in [true, false] {
    expectPredicted(
      try training(dtype, adapted: adapted, recomputing: recomputing),
      within: recomputing ? 0.3 : 0.15)
  }
}

/// The bytes of a sample's forward and backward pass beside the weights.
private func training(
  _ dtype: DType, adapted: Bool, recomputing: Bool
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  let configuration = deep(4, single: 6)
  let config = LoRAConfig(rank: 4, alpha: 8, targets: FluxPipeline.defaults.loraTargets)
  let store = ParameterStore(
    .random(Generator(seed: 1)), dtype: dtype,
    adapters: adapted ? (config, .random(Generator(seed: 2))) : nil,
    trainable: adapted ? .adapters : .full)
  let model = try FluxTransformer2DModel(configuration, store.root)
  let measured = try addedMemory {
    let checkpointing = recomputing ? GradientCheckpointing() : nil
    let velocity = model(
      Tensor.zeros([1, 16, 32, 32], dtype: dtype), timestep: Tensor.zeros([1]), guidance: 3.5,
      embeddings: FluxConditioning(
        rows: Tensor.zeros([1, 128, 32], dtype: dtype),
        pooled: Tensor.zeros([1, 32], dtype: dtype)), checkpointing: checkpointing)
    velocity.backward(gradient: Tensor.ones(velocity.shape, dtype: dtype))
    checkpointing?.backward()
  }
  let memory = FluxTransformerMemory(
    configuration, imageTokens: 256, textTokens: 128, elementBytes: dtype.byteCount)
  let learning: TrainableWeights = adapted ? .adapters(config) : .full
  let kept = recomputing ? memory.keptRecomputing(learning) : memory.kept(learning)
  return (measured, kept + memory.backward)
}

/// A forward pass of sixteen samples without gradients.
private func evaluation(
  _ dtype: DType, textTokens: Int, single: Int
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  let configuration = deep(2, single: single)
  let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
  let model = try FluxTransformer2DModel(configuration, store.root)
  let measured = try addedMemory {
    withoutGradient {
      _ = model(
        Tensor.zeros([16, 16, 32, 32], dtype: dtype), timestep: Tensor.zeros([16]), guidance: 3.5,
        embeddings: FluxConditioning(
          rows: Tensor.zeros([16, textTokens, 32], dtype: dtype),
          pooled: Tensor.zeros([16, 32], dtype: dtype)))
    }
  }
  let memory = FluxTransformerMemory(
    configuration, imageTokens: 256, textTokens: textTokens, elementBytes: dtype.byteCount)
  return (measured, 16 * memory.evaluation)
}
