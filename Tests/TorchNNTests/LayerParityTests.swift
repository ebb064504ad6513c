import TestSupport
import Testing
import Torch
import TorchNN

/// Rounding errors of float32 sums of about ten terms, with a margin.
private let tolerance = 1e-6

/// The part of `layers.safetensors` that belongs to one layer.
private struct LayerFixture {
  let parameters: [String: Tensor]
  let gradients: [String: Tensor]
  let input: Tensor
  let output: Tensor
  let seed: Tensor

  init(_ layer: String) throws {
    let all = try WeightsFile(path: fixture("torchnn/layers.safetensors")).tensors
    var own: [String: Tensor] = [:]
    for (key, tensor) in all where key.hasPrefix("\(layer).") {
      own[String(key.dropFirst(layer.count + 1))] = tensor
    }
    input = try #require(own["input"])
    output = try #require(own["output"])
    seed = try #require(own["seed"])
    gradients = own.filter { $0.key.hasPrefix("gradient.") }
    parameters = own.filter {
      !$0.key.hasPrefix("gradient.") && !["input", "output", "seed"].contains($0.key)
    }
  }

  /// Builds the layer, runs it forward and backward, and compares with PyTorch.
  func check(_ build: (ParameterScope) throws -> (Tensor) -> Tensor) throws {
    let store = ParameterStore(.checkpoint(parameters, origin: "fixture"), trainable: .full)
    let layer = try build(store.root)
    try store.finish()
    let input = input.clone()
    input.requiresGradient = input.dtype.isFloatingPoint
    let found = layer(input)
    #expect(relativeError(found, output) < tolerance)
    found.backward(gradient: seed)
    for (name, parameter) in store.trainable {
      let gradient = try #require(parameter.gradient)
      #expect(relativeError(gradient, try #require(gradients["gradient.\(name)"])) < tolerance)
    }
    if let expected = gradients["gradient.input"] {
      #expect(relativeError(try #require(input.gradient), expected) < tolerance)
    }
    #expect(store.trainable.count == parameters.count)
  }
}

@Suite struct `layers equal PyTorch's, forward and backward` {
  @Test func `linear`() throws {
    try LayerFixture("linear").check { try Linear(5, 7, $0).callAsFunction }
  }

  @Test func `linear without bias`() throws {
    try LayerFixture("linear_plain").check { try Linear(5, 4, bias: false, $0).callAsFunction }
  }

  @Test func `convolution with stride and padding`() throws {
    try LayerFixture("conv").check {
      try Conv2d(3, 4, kernel: 3, stride: 2, padding: 1, $0).callAsFunction
    }
  }

  @Test func `embedding, with a row looked up twice`() throws {
    try LayerFixture("embedding").check { try Embedding(6, 4, $0).callAsFunction }
  }

  @Test func `layer normalization`() throws {
    try LayerFixture("layer_norm").check { try LayerNorm(8, $0).callAsFunction }
  }

  @Test func `layer normalization without parameters`() throws {
    try LayerFixture("layer_norm_plain").check {
      try LayerNorm(8, epsilon: 1e-6, affine: false, $0).callAsFunction
    }
  }

  @Test func `root mean square normalization`() throws {
    try LayerFixture("rms_norm").check { try RMSNorm(8, $0).callAsFunction }
  }

  @Test func `group normalization`() throws {
    try LayerFixture("group_norm").check {
      try GroupNorm(groups: 2, 6, epsilon: 1e-6, $0).callAsFunction
    }
  }
}
