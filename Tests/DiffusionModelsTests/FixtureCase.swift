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

  /// Reads the folder `name` inside `parent`. `adapted` freezes the weights and adds the fixture's
  /// adapters as trainable parameters.
  init(
    _ name: String, in parent: String = "models", _ type: Configuration.Type, weights: String,
    device: Device = .cpu, adapted: Bool = false
  ) throws {
    let folder = fixture("\(parent)/\(name)")
    let tensors = try WeightsFile(path: "\(folder)/case.safetensors").tensors
      .mapValues { $0.to(device) }
    configuration = try Configuration(contentsOf: "\(folder)/config.json")
    store = ParameterStore(
      .checkpoint(try WeightsFile.open(folder: folder, baseName: weights)), device: device,
      adapters: adapted ? Self.adapters(tensors) : nil, trainable: adapted ? .adapters : .full)
    self.tensors = tensors
  }

  /// The fixture's adapters, of rank 3 and alpha 6.
  private static func adapters(
    _ tensors: [String: Tensor]
  ) -> (config: LoRAConfig, source: ParameterSource) {
    var adapters: [String: Tensor] = [:]
    for (key, tensor) in tensors where key.hasPrefix("lora.") && key.hasSuffix(".weight") {
      let name = String(key.dropFirst("lora.".count))
      if !name.hasPrefix("gradient.") { adapters[name] = tensor }
    }
    let paths = adapters.keys.filter { $0.hasSuffix(".lora_A.weight") }
      .map { String($0.dropLast(".lora_A.weight".count)) }
    return (
      LoRAConfig(rank: 3, alpha: 6, targets: paths.sorted()),
      .checkpoint(adapters, origin: "case.safetensors")
    )
  }

  subscript(_ name: String) -> Tensor {
    get throws { try #require(tensors[name], "the fixture has no '\(name)'") }
  }

  /// The input `name` as a leaf that accumulates gradients.
  func leaf(_ name: String) throws -> Tensor {
    let tensor = try self[name].clone()
    tensor.requiresGradient = true
    return tensor
  }

  /// Compares outputs, and the gradients of leaves and of every parameter in the fixture.
  ///
  /// - Parameter prefix: `lora.` for the fixture's values with adapters.
  func check(
    _ outputs: [String: Tensor], leaves: [String: Tensor] = [:], prefix: String = ""
  ) throws {
    var total = Tensor.zeros([])
    for (name, output) in outputs.sorted(by: { $0.key < $1.key }) {
      #expect(relativeError(output, try self[prefix + name]) <= parityTolerance, "\(name)")
      total = total + (output * (try self["cotangent.\(name)"])).sum()
    }
    total.backward()
    let parameters = Dictionary(
      uniqueKeysWithValues: store.parameters.map { ($0.name, $0.tensor) })
    let expected = tensors.keys.filter { $0.hasPrefix("\(prefix)gradient.") }.sorted()
    #expect(!expected.isEmpty)
    for key in expected {
      let name = String(key.dropFirst("\(prefix)gradient.".count))
      let leaf = try #require(leaves[name] ?? parameters[name], "no leaf or weight '\(name)'")
      // A leaf without a path to an output has a zero gradient in Python and none here.
      let gradient = leaf.gradient ?? Tensor.zeros(like: leaf)
      #expect(relativeError(gradient, try self[key]) <= parityTolerance, "gradient of \(name)")
    }
  }
}

/// Two float32 implementations of one network differ by rounding, accumulated over its depth.
let parityTolerance = 1e-4
