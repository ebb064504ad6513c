import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct RecomputationTests {
  private struct Outcome {
    var velocity: Tensor
    var gradients: [(name: String, gradient: Tensor)]
  }

  /// The gradients of trainable parameters and, with `inputsRequireGradient`, of the inputs.
  private func run(
    _ name: String, adapters: Bool, dtype: DType, zeroRows: Int, inputsRequireGradient: Bool,
    recomputing: Bool
  ) throws -> Outcome {
    let folder = fixture("models/\(name)")
    let configuration = try SD3TransformerConfiguration(contentsOf: "\(folder)/config.json")
    let config = LoRAConfig(rank: 2, alpha: 4, targets: ["to_q", "attn.to_out.0", "to_add_out"])
    let store = ParameterStore(
      .checkpoint(try WeightsFile.open(folder: folder, baseName: "diffusion_pytorch_model")),
      dtype: dtype, adapters: adapters ? (config, .random(Generator(seed: 5))) : nil,
      trainable: adapters ? .adapters : .full)
    let model = try SD3Transformer2DModel(configuration, store.root)
    let generator = Generator(seed: 6)
    withoutGradient {
      for (_, tensor) in store.adapters { tensor.normal_(std: 0.2, generator: generator) }
    }
    let given = try WeightsFile(path: "\(folder)/case.safetensors").tensors
    func input(_ name: String) throws -> Tensor {
      let tensor = try #require(given[name]).to(dtype).clone()
      tensor.requiresGradient = inputsRequireGradient
      return tensor
    }
    let inputs = (try input("latents"), try input("rows"), try input("pooled"))
    let checkpointing = recomputing ? GradientCheckpointing() : nil
    let velocity = model(
      inputs.0, timestep: try #require(given["timestep"]),
      embeddings: SD3Conditioning(rows: inputs.1, pooled: inputs.2, zeroRowCount: zeroRows),
      checkpointing: checkpointing)
    velocity.backward(gradient: try #require(given["cotangent.velocity"]).to(dtype))
    checkpointing?.backward()
    let leaves =
      store.trainable + [("latents", inputs.0), ("rows", inputs.1), ("pooled", inputs.2)]
    return Outcome(
      velocity: velocity.detached(),
      gradients: leaves.compactMap { name, leaf in leaf.gradient.map { (name, $0) } })
  }

  @Test(
    arguments: ["transformer-sd3", "transformer-sd35"],
    [(false, DType.float32, 5), (false, .float32, 0), (true, .float32, 5), (true, .bfloat16, 5)])
  func `gradients with and without gradient checkpointing are equal`(
    _ name: String, _ setting: (adapters: Bool, dtype: DType, zeroRows: Int)
  ) throws {
    let outcomes = try [false, true].map {
      try run(
        name, adapters: setting.adapters, dtype: setting.dtype, zeroRows: setting.zeroRows,
        inputsRequireGradient: true, recomputing: $0)
    }
    #expect(outcomes[0].velocity.floats() == outcomes[1].velocity.floats())
    #expect(outcomes[0].gradients.map(\.name) == outcomes[1].gradients.map(\.name))
    // The gradient of the conditioning vector, an input of every block, is summed in another order.
    let tolerance = setting.dtype == .float32 ? 2e-6 : 2e-2
    for (expected, found) in zip(outcomes[0].gradients, outcomes[1].gradients) {
      #expect(relativeError(found.gradient, expected.gradient) <= tolerance, "\(expected.name)")
    }
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func `adapters have bit-identical gradients`(_ dtype: DType) throws {
    let outcomes = try [false, true].map {
      try run(
        "transformer-sd35", adapters: true, dtype: dtype, zeroRows: 5,
        inputsRequireGradient: false, recomputing: $0)
    }
    #expect(!outcomes[0].gradients.isEmpty)
    for (expected, found) in zip(outcomes[0].gradients, outcomes[1].gradients) {
      #expect(expected.gradient.floats() == found.gradient.floats(), "\(expected.name)")
    }
  }

  @Test func `without gradients no activations are kept`() throws {
    let given = try FixtureCase(
      "transformer-sd35", SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model")
    let model = try SD3Transformer2DModel(given.configuration, given.store.root)
    let embeddings = SD3Conditioning(
      rows: try given["rows"], pooled: try given["pooled"], zeroRowCount: 5)
    let checkpointing = GradientCheckpointing()
    let velocity = try withoutGradient {
      model(
        try given["latents"], timestep: try given["timestep"], embeddings: embeddings,
        checkpointing: checkpointing)
    }
    #expect(!velocity.requiresGradient)
    checkpointing.backward()
    #expect(given.store.trainable.allSatisfy { $0.tensor.gradient == nil })
  }
}
