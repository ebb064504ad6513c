import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// A network with a hundred megabytes of activations.
private func deep(_ layers: Int) -> QwenImageTransformerConfiguration {
  var configuration = QwenImageTransformerConfiguration()
  configuration.numLayers = layers
  configuration.attentionHeadDim = 64
  configuration.axesDimsRope = [16, 24, 24]
  configuration.numAttentionHeads = 4
  configuration.jointAttentionDim = 32
  return configuration
}

private let targets = QwenImagePipeline.defaults.loraTargets

@Suite struct QwenImageWorkTests {
  @Test func `the work of a row is its matrices times its tokens, and attention`() throws {
    let configuration = deep(3)
    let (s, t) = (12, 7)
    let attention = 4.0 * 256 * Double(3 * (s + t) * (s + t))
    let config = LoRAConfig(rank: 4, alpha: 8, targets: targets)
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
    _ configuration: QwenImageTransformerConfiguration, image: Int, text: Int, config: LoRAConfig?
  ) throws -> (base: Double, adapters: Double) {
    let store = ParameterStore(
      .meta, device: .meta, adapters: config.map { ($0, .meta) }, trainable: .adapters)
    _ = try QwenImageTransformer2DModel(configuration, store.root)
    var (base, adapters) = (0.0, 0.0)
    let last = "transformer_blocks.\(configuration.numLayers - 1)."
    for (name, tensor) in store.weights + store.adapters where tensor.rank >= 2 {
      // Computed once per prompt because its layer has no adapter.
      guard config == nil || !name.hasPrefix("txt_in") else { continue }
      // Not computed: nothing depends on the last block's text.
      guard
        !name.hasPrefix(last)
          || !["to_add_out", "txt_mlp"].contains(where: { name.contains($0) })
      else { continue }
      let isText = ["add_", "txt_mlp", "txt_in"].contains { name.contains($0) }
      let isVector = ["time_text", "norm", "_mod"].contains { name.contains($0) }
      let work = 2 * Double(tensor.count * (isVector ? 1 : isText ? text : image))
      if name.contains("lora_") { adapters += work } else { base += work }
    }
    return (base, adapters)
  }
}

#if os(Linux)
  @Suite(.serialized) struct QwenImageMemoryTests {
    @Test func `the memory of a training step is predicted`() async {
      await #expect(processExitsWith: .success) {
        for (dtype, adapted) in [(DType.float32, true), (.float32, false), (.bfloat16, true)] {
          for recomputing in [true, false] {
            expectPredicted(
              try training(dtype, adapted: adapted, recomputing: recomputing),
              within: recomputing ? 0.3 : 0.15)
          }
        }
      }
    }

    @Test func `the memory of an evaluation is predicted`() async {
      await #expect(processExitsWith: .success) {
        for textTokens in [64, 256] {
          expectPredicted(try evaluation(.float32, textTokens: textTokens), within: 0.15)
        }
        expectPredicted(try evaluation(.bfloat16, textTokens: 128), within: 0.15)
      }
    }
  }
#endif

private func expectPredicted(_ bytes: (measured: Int, predicted: Int), within tolerance: Double) {
  let error = Double(bytes.predicted) / Double(bytes.measured) - 1
  #expect(abs(error) < tolerance, "\(bytes.measured) bytes, predicted \(bytes.predicted)")
}

/// The bytes of a sample's forward and backward pass beside the weights.
private func training(
  _ dtype: DType, adapted: Bool, recomputing: Bool
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  let configuration = deep(10)
  let config = LoRAConfig(rank: 4, alpha: 8, targets: targets)
  let store = ParameterStore(
    .random(Generator(seed: 1)), dtype: dtype,
    adapters: adapted ? (config, .random(Generator(seed: 2))) : nil,
    trainable: adapted ? .adapters : .full)
  let model = try QwenImageTransformer2DModel(configuration, store.root)
  let measured = try addedMemory {
    let checkpointing = recomputing ? GradientCheckpointing() : nil
    let velocity = model(
      Tensor.zeros([1, 16, 32, 32], dtype: dtype), sigma: Tensor.ones([1]),
      embeddings: QwenImageConditioning(
        rows: Tensor.zeros([1, 128, 32], dtype: dtype), lengths: [100]),
      checkpointing: checkpointing)
    velocity.backward(gradient: Tensor.ones(velocity.shape, dtype: dtype))
    checkpointing?.backward()
  }
  let memory = configuration.activations(
    imageTokens: 256, textTokens: 128, elementBytes: dtype.byteCount,
    adapted ? .adapters(config) : .full)
  let kept = recomputing ? memory.keptWithCheckpointing : memory.kept
  return (measured, kept + memory.backward)
}

/// A forward pass of sixteen samples without gradients.
private func evaluation(
  _ dtype: DType, textTokens: Int
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  let configuration = deep(4)
  let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
  let model = try QwenImageTransformer2DModel(configuration, store.root)
  let measured = try addedMemory {
    withoutGradient {
      _ = model(
        Tensor.zeros([16, 16, 32, 32], dtype: dtype), sigma: Tensor.ones([16]),
        embeddings: QwenImageConditioning(
          rows: Tensor.zeros([16, textTokens, 32], dtype: dtype),
          lengths: [Int](repeating: 20, count: 16)))
    }
  }
  let memory = configuration.activations(
    imageTokens: 256, textTokens: textTokens, elementBytes: dtype.byteCount, .full)
  return (measured, 16 * memory.evaluation)
}
