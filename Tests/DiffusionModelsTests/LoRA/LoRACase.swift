import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// The tiny transformer of `Fixtures/lora`, and diffusers' velocities with each LoRA file.
///
/// Written by `python Tools/fixtures/lora.py`.
struct LoRACase {
  static let model = fixture("lora/model")
  private let tensors: [String: Tensor]

  init() throws {
    tensors = try WeightsFile(path: fixture("lora/cases.safetensors")).tensors
  }

  subscript(_ name: String) -> Tensor {
    get throws { try #require(tensors[name], "the fixture has no '\(name)'") }
  }

  /// The velocity of the transformer with these adapters.
  func velocity(_ lora: LoRA?) throws -> Tensor {
    let folder = Self.model + "/transformer"
    let store = ParameterStore(
      .checkpoint(try WeightsFile.open(folder: folder, baseName: "diffusion_pytorch_model")),
      adapters: try lora?.learningSetup(model: Self.model).adapters)
    let network = try SD3Transformer2DModel(
      try SD3TransformerConfiguration(contentsOf: "\(folder)/config.json"), store.root)
    try store.finish()
    let embeddings = SD3Conditioning(
      rows: try self["rows"], pooled: try self["pooled"], zeroRowCount: 0)
    return try withoutGradient {
      network(try self["latents"], timestep: try self["timestep"], embeddings: embeddings)
    }
  }
}

/// Two float32 implementations of one network differ by rounding.
let velocityTolerance = 1e-5
