import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// A component written by diffusers or transformers, with inputs, outputs and gradients.
struct FixtureCase<Configuration: ModelConfiguration> {
  let configuration: Configuration
  let store: ParameterStore
  let tensors: [String: Tensor]

  init(
    _ name: String, _ type: Configuration.Type, weights: String, device: Device = .cpu
  ) throws {
    let folder = fixture("models/\(name)")
    configuration = try Configuration(contentsOf: "\(folder)/config.json")
    store = ParameterStore(
      .checkpoint(try Checkpoint.open(folder: folder, baseName: weights)), device: device,
      trainable: .full)
    tensors = try Checkpoint(path: "\(folder)/case.safetensors").tensors
      .mapValues { $0.to(device) }
  }

  subscript(_ name: String) -> Tensor {
    get throws { try #require(tensors[name], "the fixture has no '\(name)'") }
  }

  /// The input `name` as a leaf that receives gradients.
  func leaf(_ name: String) throws -> Tensor {
    let tensor = try self[name].clone()
    tensor.requiresGradient = true
    return tensor
  }

  /// Compares outputs, and the gradients of leaves and of every weight the fixture names.
  func check(_ outputs: [String: Tensor], leaves: [String: Tensor] = [:]) throws {
    var total = Tensor.zeros([])
    for (name, output) in outputs.sorted(by: { $0.key < $1.key }) {
      #expect(relativeError(output, try self[name]) <= parityTolerance, "\(name)")
      total = total + (output * (try self["cotangent.\(name)"])).sum()
    }
    total.backward()
    let prefix = "gradient."
    let weights = Dictionary(uniqueKeysWithValues: store.parameters.map { ($0.name, $0.tensor) })
    let expected = tensors.keys.filter { $0.hasPrefix(prefix) }.sorted()
    #expect(!expected.isEmpty)
    for key in expected {
      let name = String(key.dropFirst(prefix.count))
      let leaf = try #require(leaves[name] ?? weights[name], "no leaf or weight '\(name)'")
      let gradient = try #require(leaf.gradient, "'\(name)' has no gradient")
      #expect(relativeError(gradient, try self[key]) <= parityTolerance, "gradient of \(name)")
    }
  }
}

/// Two float32 implementations of one network differ by rounding, accumulated over its depth.
let parityTolerance = 1e-4
