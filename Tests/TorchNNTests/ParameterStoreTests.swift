import TestSupport
import Testing
import Torch
import TorchNN

/// `ff.net.0.proj`, `ff.net.2` and a table, with diffusers' names.
private struct FeedForward {
  let up: Linear
  let down: Linear
  let table: Tensor

  init(_ width: Int, _ hidden: Int, _ parameters: ParameterScope) throws(ParameterError) {
    up = try Linear(width, hidden, parameters["net"][0]["proj"])
    down = try Linear(hidden, width, parameters["net"][2])
    table = try parameters.buffer("table", value: Tensor([7, 8] as [Float], shape: [2]))
    parameters.ignore("position_ids")
  }
}

private let names = [
  "ff.net.0.proj.weight", "ff.net.0.proj.bias", "ff.net.2.weight", "ff.net.2.bias",
]

private func checkpoint() -> [String: Tensor] {
  [
    names[0]: Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 2]),
    names[1]: Tensor([0, 0, 1] as [Float], shape: [3]),
    names[2]: Tensor([1, 0, 0, 0, 1, 0] as [Float], shape: [2, 3]),
    names[3]: Tensor([0, 0] as [Float], shape: [2]),
    "ff.table": Tensor([1, 2] as [Float], shape: [2]),
  ]
}

@Suite struct ParameterStoreTests {
  @Test func `names equal the checkpoint's, in declaration order`() throws {
    let store = ParameterStore(.checkpoint(checkpoint(), origin: "w"), trainable: .full)
    let network = try FeedForward(2, 3, store.root["ff"])
    try store.finish()
    #expect(store.parameters.map(\.name) == names)
    #expect(store.trainable.map(\.name) == names)
    #expect(store.weights.map(\.name) == names + ["ff.table"])
    #expect(network.table.floats() == [1, 2])
    #expect(store.trainable.allSatisfy { $0.tensor.requiresGradient })
    #expect(!network.table.requiresGradient)
    store.freeze()
    #expect(store.trainable.isEmpty)
    #expect(store.parameters.allSatisfy { !$0.tensor.requiresGradient })
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `values that are not finite are refused with file and tensor`(value: Float) throws {
    for name in [names[2], "ff.table"] {
      var tensors = checkpoint()
      let shape = try #require(tensors[name]).shape
      tensors[name] = Tensor(
        (0..<shape.reduce(1, *)).map { $0 == 1 ? value : 1 }, shape: shape)
      let store = ParameterStore(.checkpoint(tensors, origin: "w"))
      _ = try FeedForward(2, 3, store.root["ff"])
      #expect(throws: ParameterError.notFinite(key: name, dtype: .float32, origin: "w")) {
        try store.finish()
      }
    }
  }

  @Test func `the range of a type must include every number but not their sum`() throws {
    func load(_ value: Float, _ dtype: DType) throws {
      var tensors = checkpoint()
      tensors[names[0]] = Tensor(Array(repeating: value, count: 6), shape: [3, 2])
      let store = ParameterStore(.checkpoint(tensors, origin: "w"), dtype: dtype)
      _ = try FeedForward(2, 3, store.root["ff"])
      try store.finish()
    }
    try load(65504, .float16)
    try load(3e38, .float32)
    try load(70000, .bfloat16)
    #expect(throws: ParameterError.notFinite(key: names[0], dtype: .float16, origin: "w")) {
      try load(70000, .float16)
    }
  }

  @Test func `missing, misshapen, unused and integer tensors are named`() throws {
    var tensors = checkpoint()
    tensors[names[2]] = nil
    #expect(throws: ParameterError.missing(key: names[2], origin: "w")) {
      _ = try FeedForward(2, 3, ParameterStore(.checkpoint(tensors, origin: "w")).root["ff"])
    }
    #expect(
      throws: ParameterError.shape(key: names[0], expected: [4, 2], found: [3, 2], origin: "w")
    ) {
      _ = try FeedForward(2, 4, ParameterStore(.checkpoint(checkpoint(), origin: "w")).root["ff"])
    }
    tensors = checkpoint()
    tensors["x"] = Tensor([1] as [Float], shape: [1])
    tensors["ff.position_ids"] = Tensor([0, 1], shape: [2])
    let store = ParameterStore(.checkpoint(tensors, origin: "w"))
    _ = try FeedForward(2, 3, store.root["ff"])
    #expect(throws: ParameterError.unused(keys: ["x"], origin: "w")) { try store.finish() }
    tensors[names[1]] = Tensor([0, 0, 1] as [Int], shape: [3])
    #expect(throws: ParameterError.notFloatingPoint(key: names[1], origin: "w")) {
      _ = try FeedForward(2, 3, ParameterStore(.checkpoint(tensors, origin: "w")).root["ff"])
    }
  }

  @Test func `8-bit numbers are refused with an alternative`() throws {
    var tensors = checkpoint()
    tensors[names[1]] = Tensor([0, 0, 1] as [Float], shape: [3]).to(.float8E4M3)
    let error = try #require(
      #expect(throws: ParameterError.self) {
        _ = try FeedForward(2, 3, ParameterStore(.checkpoint(tensors, origin: "w")).root["ff"])
      })
    #expect(error == .eightBit(key: names[1], origin: "w"))
    #expect(error.description.contains("use the model's bfloat16"))
  }

  @Test func `training does not change the tensors of the source`() throws {
    let source = checkpoint()
    let store = ParameterStore(.checkpoint(source, origin: "w"), trainable: .full)
    let network = try FeedForward(2, 3, store.root["ff"])
    withoutGradient { network.up.weight.fill_(0) }
    #expect(source[names[0]]?.floats() == [1, 2, 3, 4, 5, 6])
  }

  @Test func `saved values are restored into all trainable parameters or none`() throws {
    let store = ParameterStore(.checkpoint(checkpoint(), origin: "w"), trainable: .full)
    let network = try FeedForward(2, 3, store.root["ff"])
    var saved = checkpoint().mapValues { Tensor.ones($0.shape) }
    try store.restore(saved)
    #expect(network.up.weight.floats() == [1, 1, 1, 1, 1, 1])
    #expect(network.table.floats() == [1, 2])
    saved[names[0]] = Tensor.zeros([3, 2])
    saved[names[3]] = nil
    #expect(throws: ParameterError.state(key: names[3], problem: "it is missing")) {
      try store.restore(saved)
    }
    #expect(network.up.weight.floats() == [1, 1, 1, 1, 1, 1])
  }

  @Test func `a frozen network shares its memory with the source`() throws {
    let source = checkpoint()
    let network = try FeedForward(
      2, 3, ParameterStore(.checkpoint(source, origin: "w")).root["ff"])
    source[names[0]]?.fill_(2)
    #expect(network.up.weight.floats() == [2, 2, 2, 2, 2, 2])
  }

  @Test func `the store converts to its precision, adapters stay float32`() throws {
    let store = ParameterStore(
      .random(Generator(seed: 1)), dtype: .bfloat16,
      adapters: (LoRAConfig(rank: 1, alpha: 1, targets: ["proj"]), .random(Generator(seed: 2))))
    let network = try FeedForward(2, 3, store.root["ff"])
    try store.finish()
    #expect(store.weights.allSatisfy { $0.tensor.dtype == .bfloat16 })
    #expect(store.adapters.allSatisfy { $0.tensor.dtype == .float32 })
    #expect(network.table.floats() == [7, 8])
    #expect(network.up(Tensor.ones([1, 2], dtype: .bfloat16)).dtype == .bfloat16)
    #expect(store.adaptedPaths == ["ff.net.0.proj"])
  }

  @Test func `a network on the meta device has shapes and no memory`() throws {
    let store = ParameterStore(.meta)
    _ = try FeedForward(1 << 20, 1 << 22, store.root["ff"])
    try store.finish()
    #expect(store.parameters.map(\.tensor.shape)[0] == [1 << 22, 1 << 20])
    #expect(store.weights.allSatisfy { $0.tensor.device == .meta })
  }

  @Test func `one seed gives one network`() throws {
    func weights(seed: UInt64) throws -> [[Float]] {
      let store = ParameterStore(.random(Generator(seed: seed)))
      _ = try FeedForward(2, 3, store.root["ff"])
      return store.weights.map { $0.tensor.floats() }
    }
    #expect(try weights(seed: 3) == weights(seed: 3))
    #expect(try weights(seed: 3) != weights(seed: 4))
  }

  @Test func `new layers have PyTorch's initialization`() throws {
    let root = ParameterStore(.random(Generator(seed: 1))).root
    let linear = try Linear(100, 200, root["linear"])
    let convolution = try Conv2d(10, 40, kernel: 5, root["conv"])
    let embedding = try Embedding(200, 100, root["embedding"])
    let norm = try GroupNorm(groups: 2, 4, root["norm"])
    // Uniform in ±bound has standard deviation bound/√3; 10,000 draws give it within about 1 %.
    for (tensor, bound) in [(linear.weight, 0.1), (convolution.weight, 1 / 250.squareRoot())] {
      #expect(tensor.abs().amax().item() <= bound + 1e-8)
      let deviation = standardDeviation(tensor, correction: 1)
      #expect(abs(deviation / (bound / 3.0.squareRoot()) - 1) < 0.03)
    }
    #expect(try #require(linear.bias).abs().amax().item() <= 0.1 + 1e-8)
    let deviation = standardDeviation(embedding.weight, correction: 1)
    #expect(abs(deviation - 1) < 0.03)
    #expect(norm.weight.floats() == [1, 1, 1, 1])
    #expect(norm.bias.floats() == [0, 0, 0, 0])
  }

  @Test func `a name declared twice stops the process`() async {
    await #expect(processExitsWith: .failure) {
      let root = ParameterStore(.meta).root
      _ = try Linear(1, 1, root["a"])
      _ = try Linear(1, 1, root["a"])
    }
  }

  @Test func `an input of the wrong width stops the process with libtorch's message`() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let layer = try Linear(3, 2, ParameterStore(.random(Generator(seed: 1))).root)
      _ = layer(Tensor.ones([1, 4]))
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains("mat1 and mat2 shapes cannot be multiplied (1x4 and 3x2)"))
  }
}
