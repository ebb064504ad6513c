import DiffusionModels
import FlowMatching
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// Models whose weights are quantized or on the host, beside the same models with all weights in
/// memory.
@Suite struct WeightResidencyTests {
  /// A pipeline of a family, and settings of its weights.
  struct Setting: CustomTestStringConvertible, Sendable {
    var model: String
    var dtype = DType.float32
    var quantization = WeightQuantization.none
    var offload = WeightOffload.none

    var testDescription: String {
      "\(model), \(dtype), quantize_base \(quantization), offload \(offload)"
    }

    /// Blocks of two kinds, and a text stream that ends with the last block.
    static let models = ["pipeline/model", "flux-dev/model", "qwen-image-pipeline/model"]

    static let quantized: [Setting] = models.flatMap { model in
      [WeightQuantization.int8, .float8].flatMap { quantization in
        [WeightOffload.none, .blocks].map { offload in
          Setting(model: model, quantization: quantization, offload: offload)
        }
      }
    }
  }

  private static let targets = ["attn.to_q", "attn.to_out.0", "attn.add_k_proj", "net.2"]

  private func source(_ setting: Setting, folder: String? = nil) -> ModelSource {
    ModelSource(
      folder: folder ?? fixture(setting.model),
      placement: Placement(
        dtype: setting.dtype, quantization: setting.quantization, offload: setting.offload),
      imageSize: ImageSize(height: 16, width: 16), maxSequenceLength: 8)
  }

  /// The model with adapters that change its output.
  private func load(
    _ setting: Setting, folder: String? = nil, shards: (any ShardGroup)? = nil
  ) throws -> any FlowModel {
    let adapters = LoRAConfig(rank: 2, alpha: 4, targets: Self.targets)
    let model = try source(setting, folder: folder).load(
      training: LearningSetup(
        trainable: .adapters, adapters: (adapters, .random(Generator(seed: 1))), shards: shards))
    let generator = Generator(seed: 2)
    withoutGradient {
      for (_, tensor) in model.store.adapters { tensor.normal_(std: 0.1, generator: generator) }
    }
    return model
  }

  private func field(
    _ model: any FlowModel, _ setting: Setting, _ checkpointing: GradientCheckpointing? = nil
  ) throws -> VelocityField {
    let source = source(setting)
    let prompts = try FlowModelRegistry.family(of: source.folder).promptEncoder(of: source)
      .encode([PromptInput("a red circle"), PromptInput("two blue squares")])
    let scale = model.defaults.guidance == .embedded ? 3.5 : 1
    return model.velocityField(
      prompts, guidance: model.defaults.guidance(scale: scale), checkpointing: checkpointing)
  }

  /// A rollout step, then a forward and backward pass, twice: slots hold other blocks at the start
  /// of each.
  private func run(_ model: any FlowModel, _ setting: Setting) throws -> [[Float]] {
    let checkpointing = GradientCheckpointing()
    let field = try field(model, setting, checkpointing)
    let latents = Tensor.randn(model.latentShape(count: 2), generator: Generator(seed: 3))
    let sigma = Tensor([0.9, 0.3] as [Float], shape: [2])
    var results: [[Float]] = []
    for _ in 0..<2 {
      results.append(withoutGradient { field(latents, sigma, [0, 1]).floats() })
      let velocity = field(latents, sigma, [0, 1])
      velocity.backward(gradient: latents)
      checkpointing.backward()
      results.append(velocity.detached().floats())
    }
    // The text of the last block may have no effect, and its adapters no gradient.
    return results + model.store.trainable.compactMap { $0.tensor.gradient?.floats() }
  }

  @Test(arguments: Setting.models, [DType.float32, .bfloat16])
  func `blocks on the host give the bits of blocks in memory`(name: String, dtype: DType) throws {
    let resident = Setting(model: name, dtype: dtype)
    var moved = resident
    moved.offload = .blocks
    let model = try load(moved)
    #expect(model.store.movesWeights)
    #expect(try run(model, moved) == run(load(resident), resident))
  }

  /// The model of every rank, with the shares of all ranks at hand.
  private func load(
    _ setting: Setting, on ranks: [SimulatedShards]
  ) throws -> [any FlowModel] {
    for rank in ranks {
      let model = try load(setting, shards: rank)
      if let residency = model.store.residency {
        model.store.blocks.indices.forEach(residency.enter)
      }
    }
    return try ranks.map { try load(setting, shards: $0) }
  }

  @Test(arguments: Setting.models, [1, 2, 3])
  func `every process of those that share the blocks gives the bits of one that has them all`(
    name: String, count: Int
  ) throws {
    for (dtype, quantization) in [
      (DType.float32, WeightQuantization.none), (.bfloat16, .none), (.float32, .int8),
      (.bfloat16, .float8),
    ] {
      let whole = Setting(model: name, dtype: dtype, quantization: quantization)
      let expected = try run(load(whole), whole)
      for offload in WeightOffload.allCases {
        var setting = whole
        setting.offload = offload
        for model in try load(setting, on: SimulatedShards.ranks(count)) {
          // Of one process, the blocks are not shared.
          #expect(
            model.store.movesWeights
              == (count > 1 || setting.offload == .blocks || quantization != .none))
          #expect(try run(model, setting) == expected, "\(setting), \(count) processes")
        }
      }
    }
  }

  @Test(arguments: Setting.models, [2, 3])
  func `all processes together keep every block once, as planned`(name: String, count: Int) throws {
    for quantization in WeightQuantization.allCases {
      let setting = Setting(model: name, quantization: quantization, offload: .blocks)
      let source = source(setting)
      let network = try FlowModelRegistry.family(of: source.folder).metadata(
        of: source, training: .adapters(LoRAConfig(rank: 2, alpha: 4, targets: Self.targets))
      ).transformer
      func planned(_ processes: Int) -> Int {
        MovedSize(network, in: .float32, source.placement, processes: processes).host
      }
      let models = try SimulatedShards.ranks(count).map { try load(setting, shards: $0) }
      let stored = try models.map { try #require($0.store.residency).storedByteCount }
      #expect(Set(stored).count == 1 && planned(count) < planned(1))
      // The tensors of a block, and the parts of one, begin at multiples of 256 bytes.
      let tensors = models[0].store.blocks.joined().count * (quantization == .none ? 1 : 2)
      let padding = 256 * (tensors + models[0].store.blocks.count * count)
      #expect(stored[0] >= planned(count) && stored[0] <= planned(count) + padding / count)
      #expect(stored.reduce(0, +) >= planned(1) && stored.reduce(0, +) <= planned(1) + padding)
    }
  }

  /// Writes a copy of a pipeline whose weights are those that the layers of `model` compute with.
  private func writeDequantized(_ model: any FlowModel, _ name: String, to folder: String) throws {
    try FileManager.default.copyItem(atPath: fixture(name), toPath: folder)
    let path = "\(folder)/transformer/diffusion_pytorch_model.safetensors"
    var tensors = try WeightsFile(path: path).tensors.mapValues { $0.clone() }
    let weights = Dictionary(
      uniqueKeysWithValues: model.store.weights.map { ($0.name, $0.tensor) })
    let residency = try #require(model.store.residency)
    for (index, block) in model.store.blocks.enumerated() {
      residency.enter(index)
      for parameter in block {
        tensors[parameter.name] = try #require(weights[parameter.name]).clone()
      }
    }
    try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: path)
  }

  @Test(arguments: Setting.quantized)
  func `a quantized base gives the velocities and gradients of its dequantized weights`(
    setting: Setting
  ) throws {
    let model = try load(setting)
    try withTemporaryFolder { folder in
      try writeDequantized(model, setting.model, to: "\(folder)/model")
      let plain = Setting(model: setting.model)
      let expected = try run(load(plain, folder: "\(folder)/model"), plain)
      // The same operators run on the same numbers.
      #expect(try run(model, setting) == expected)
      // Quantization changed something, and little.
      let original = try run(load(plain), plain)
      let error = relativeError(
        Tensor(expected[0], shape: [expected[0].count]),
        Tensor(original[0], shape: [original[0].count]))
      #expect(error > 1e-4 && error < 0.1, "\(error)")
    }
  }

  @Test(arguments: Setting.models)
  func `a quantized weight differs from its own by at most half a step of its row`(
    name: String
  ) throws {
    let own = try WeightsFile.open(
      folder: fixture("\(name)/transformer"), baseName: "diffusion_pytorch_model"
    ).tensors
    for quantization in [WeightQuantization.int8, .float8] {
      let setting = Setting(model: name, quantization: quantization)
      let model = try load(setting)
      let weights = Dictionary(
        uniqueKeysWithValues: model.store.weights.map { ($0.name, $0.tensor) })
      for (index, block) in model.store.blocks.enumerated() {
        try #require(model.store.residency).enter(index)
        #expect(block.contains(where: \.isMatrix) && !block.allSatisfy(\.isMatrix))
        for parameter in block {
          let found = try #require(weights[parameter.name])
          let expected = try #require(own[parameter.name]).to(.float32)
          guard parameter.isMatrix else {
            #expect(found.floats() == expected.floats(), "\(parameter.name)")
            continue
          }
          let largest = expected.abs().amax(dims: [1], keepDim: true)
          // Integers have one step; e4m3fn has 3 bits of mantissa, and 2^-9 below 2^-6.
          let steps =
            quantization == .int8
            ? (largest / 127).expanded(expected.shape)
            : (expected.abs() / 8).maximum(largest / 448 / 512)
          let excess = (found - expected).abs() - steps * 0.5001
          #expect(excess.amax().item() <= 0, "\(parameter.name)")
        }
      }
    }
  }

  @Test func `images of a model with its blocks on the host are those of one in memory`() throws {
    for name in Setting.models {
      let images = try [WeightOffload.none, .blocks].map { offload in
        let setting = Setting(model: name, offload: offload)
        let model = try load(setting)
        let noise = Tensor.randn(model.latentShape(count: 2), generator: Generator(seed: 4))
        let latents = integrate(
          try field(model, setting), from: noise, over: model.schedule(stepCount: 3),
          promptIndices: [0, 1])
        return model.decode(latents).bytes()
      }
      #expect(images[0] == images[1])
    }
  }

  @Test func `inside a scope of single-threaded operators all rows go through the blocks together`()
    throws
  {
    let setting = Setting(model: "pipeline/model", offload: .blocks)
    let threads = TorchRuntime.threadCount
    defer { TorchRuntime.threadCount = threads }
    TorchRuntime.threadCount = 2
    let model = try load(setting)
    let field = try field(model, setting)
    let latents = Tensor.randn(model.latentShape(count: 8), generator: Generator(seed: 3))
    let sigma = Tensor.full([8], 0.5)
    let rows = (0..<8).map { $0 % 2 }
    let alone = withoutGradient { field(latents, sigma, rows) }
    let inScope = TorchRuntime.withSingleThreadedOps {
      withoutGradient { field(latents, sigma, rows) }
    }
    #expect(relativeError(inScope, alone) < 1e-6)
  }

  @Test func `a model whose weights move is not written`() async {
    await #expect(processExitsWith: .failure) {
      let model = try ModelSource(
        folder: fixture("flux-dev/model"), placement: Placement(quantization: .int8)
      ).load()
      try withTemporaryFolder { folder in
        try model.write(to: "\(folder)/copy", textFrom: fixture("flux-dev/model"))
      }
    }
  }

  @Test func `a weight that is not finite is found by the process that keeps it`() throws {
    try withTemporaryFolder { folder in
      let copy = "\(folder)/model"
      try FileManager.default.copyItem(atPath: fixture("flux-dev/model"), toPath: copy)
      let path = "\(copy)/transformer/diffusion_pytorch_model.safetensors"
      // The first parameter of a block.
      let name = try #require(try load(Setting(model: "flux-dev/model")).store.blocks[1].first).name
      var tensors = try WeightsFile(path: path).tensors.mapValues { $0.clone() }
      let weight = try #require(tensors[name])
      weight.selected(dim: 0, index: 0).fill_(.nan)
      tensors[name] = weight
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: path)
      let setting = Setting(model: "flux-dev/model")
      let ranks = SimulatedShards.ranks(2)
      let error = #expect(throws: PipelineError.self) {
        _ = try load(setting, folder: copy, shards: ranks[0])
      }
      #expect(error?.description.contains("'\(name)' holds NaN") == true, "\(error as Any)")
      _ = try load(setting, folder: copy, shards: ranks[1])
    }
  }

  @Test func `a weight that is not finite is an error with its name`() throws {
    for quantization in WeightQuantization.allCases {
      try withTemporaryFolder { folder in
        let copy = "\(folder)/model"
        try FileManager.default.copyItem(atPath: fixture("flux-dev/model"), toPath: copy)
        let path = "\(copy)/transformer/diffusion_pytorch_model.safetensors"
        let name = "single_transformer_blocks.1.proj_out.weight"
        var tensors = try WeightsFile(path: path).tensors.mapValues { $0.clone() }
        let weight = try #require(tensors[name])
        weight.selected(dim: 0, index: 3).narrowed(dim: 0, start: 2, length: 1).fill_(.nan)
        tensors[name] = weight
        try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: path)
        let setting = Setting(
          model: "flux-dev/model", quantization: quantization, offload: .blocks)
        let error = #expect(throws: PipelineError.self) {
          try self.source(setting, folder: copy).load()
        }
        #expect(error?.description.contains("'\(name)' holds NaN") == true, "\(error as Any)")
      }
    }
  }
}
