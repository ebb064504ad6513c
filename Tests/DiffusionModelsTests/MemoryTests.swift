import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// A network with a hundred megabytes of activations.
private func deep(_ layers: Int) -> SD3TransformerConfiguration {
  var configuration = SD3TransformerConfiguration()
  configuration.numLayers = layers
  configuration.attentionHeadDim = 64
  configuration.numAttentionHeads = 4
  configuration.jointAttentionDim = 32
  configuration.captionProjectionDim = 256
  configuration.pooledProjectionDim = 32
  configuration.sampleSize = 32
  configuration.posEmbedMaxSize = 32
  configuration.dualAttentionLayers = Array(0..<layers / 2)
  configuration.qkNorm = .rmsNorm
  return configuration
}

/// The bytes of a sample's forward and backward pass beside the weights: measured and predicted.
private func peak(
  _ dtype: DType, adapters: Bool, recomputing: Bool
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  let configuration = deep(8)
  let config = LoRAConfig(rank: 4, alpha: 8, targets: ["attn.to_q", "attn.to_v", "attn.to_out.0"])
  let store = ParameterStore(
    .random(Generator(seed: 1)), dtype: dtype,
    adapters: adapters ? (config, .random(Generator(seed: 2))) : nil,
    trainable: adapters ? .adapters : .full)
  let model = try SD3Transformer2DModel(configuration, store.root)
  func run() {
    let checkpointing = recomputing ? GradientCheckpointing() : nil
    let velocity = model(
      Tensor.zeros([1, 16, 32, 32], dtype: dtype), timestep: Tensor.zeros([1]),
      embeddings: SD3Conditioning(
        rows: Tensor.zeros([1, 128, 32], dtype: dtype),
        pooled: Tensor.zeros([1, 32], dtype: dtype), zeroRowCount: 0), checkpointing: checkpointing)
    velocity.backward(gradient: Tensor.ones(velocity.shape, dtype: dtype))
    checkpointing?.backward()
  }
  let measured = try addedMemory(run)
  let memory = SD3TransformerMemory(
    configuration, imageTokens: 256, textTokens: 128, elementBytes: dtype.byteCount)
  let learning: TrainableWeights = adapters ? .adapters(config) : .full
  let kept = recomputing ? memory.keptRecomputing(learning) : memory.kept(learning)
  return (measured, kept + memory.backward)
}

/// A forward pass of sixteen samples without gradients.
private func evaluation(
  _ dtype: DType, textTokens: Int
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  let configuration = deep(2)
  let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
  let model = try SD3Transformer2DModel(configuration, store.root)
  func run(_ rows: Int) {
    withoutGradient {
      _ = model(
        Tensor.zeros([rows, 16, 32, 32], dtype: dtype), timestep: Tensor.zeros([rows]),
        embeddings: SD3Conditioning(
          rows: Tensor.zeros([rows, textTokens, 32], dtype: dtype),
          pooled: Tensor.zeros([rows, 32], dtype: dtype), zeroRowCount: 0))
    }
  }
  let memory = SD3TransformerMemory(
    configuration, imageTokens: 256, textTokens: textTokens, elementBytes: dtype.byteCount)
  return (try addedMemory { run(16) }, 16 * memory.evaluation)
}

/// Two latents decoded, or their images encoded.
private func autoencoding(
  _ dtype: DType, encodes: Bool
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  var configuration = AutoencoderKLConfiguration()
  configuration.blockOutChannels = [32, 64, 128, 128]
  configuration.downBlockTypes = Array(repeating: "DownEncoderBlock2D", count: 4)
  configuration.upBlockTypes = Array(repeating: "UpDecoderBlock2D", count: 4)
  configuration.latentChannels = 16
  configuration.usePostQuantConv = false
  let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
  let model = try AutoencoderKL(configuration, store.root)
  let each =
    encodes
    ? configuration.encodingBytes(
      height: 256, width: 256, elementBytes: dtype.byteCount, device: .cpu)
    : configuration.decodingBytes(
      height: 32, width: 32, elementBytes: dtype.byteCount, device: .cpu)
  let measured = try addedMemory {
    withoutGradient {
      if encodes {
        _ = model.encode(Tensor.zeros([2, 3, 256, 256], dtype: dtype)).mean
      } else {
        _ = model.decode(Tensor.zeros([2, 16, 32, 32], dtype: dtype))
      }
    }
  }
  return (measured, 2 * each)
}

/// With gradient checkpointing and without.
private func expectTrainingPredicted(_ dtype: DType, adapters: Bool) throws {
  for recomputing in [true, false] {
    let (measured, predicted) = try peak(dtype, adapters: adapters, recomputing: recomputing)
    let error = Double(predicted) / Double(measured) - 1
    #expect(
      abs(error) < (recomputing ? 0.3 : 0.15),
      "adapters \(adapters), recomputing \(recomputing): \(measured), predicted \(predicted)")
  }
}

private func expectPredicted(_ bytes: (measured: Int, predicted: Int)) {
  let error = Double(bytes.predicted) / Double(bytes.measured) - 1
  #expect(abs(error) < 0.15, "\(bytes.measured) bytes, predicted \(bytes.predicted)")
}

#if os(Linux)
  @Suite(.serialized) struct MemoryTests {
    @Test func `gradient checkpointing needs a third of the memory or less`() async {
      await #expect(processExitsWith: .success) {
        let recomputed = try peak(.float32, adapters: false, recomputing: true)
        let whole = try peak(.float32, adapters: false, recomputing: false)
        #expect(recomputed.measured * 3 < whole.measured)
      }
    }

    @Test func `the memory of a training step in float32 is predicted`() async {
      await #expect(processExitsWith: .success) {
        for adapters in [true, false] { try expectTrainingPredicted(.float32, adapters: adapters) }
      }
    }

    @Test func `the memory of a training step in bfloat16 is predicted`() async {
      await #expect(processExitsWith: .success) {
        try expectTrainingPredicted(.bfloat16, adapters: true)
      }
    }

    @Test func `the memory of an evaluation is predicted`() async {
      await #expect(processExitsWith: .success) {
        for dtype in [DType.float32, .bfloat16] {
          // There are 256 image tokens. On some processors a sample in bfloat16 takes a second.
          for textTokens in dtype == .float32 ? [16, 128, 512] : [128] {
            expectPredicted(try evaluation(dtype, textTokens: textTokens))
          }
        }
      }
    }

    @Test func `the memory of decoding and encoding in float32 is predicted`() async {
      await #expect(processExitsWith: .success) {
        for encodes in [false, true] {
          expectPredicted(try autoencoding(.float32, encodes: encodes))
        }
      }
    }

    @Test(
      .enabled(
        if: convolvesInPlace(.bfloat16),
        "libtorch unfolds images for convolutions in bfloat16 on this processor"))
    func `the memory of decoding and encoding in bfloat16 is predicted`() async {
      await #expect(processExitsWith: .success) {
        for encodes in [false, true] {
          expectPredicted(try autoencoding(.bfloat16, encodes: encodes))
        }
      }
    }
  }
#endif
