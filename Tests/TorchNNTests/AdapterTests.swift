import TestSupport
import Testing
import Torch
import TorchNN

private struct Attention {
  let query: Linear
  let key: Linear

  init(_ parameters: ParameterScope) throws(ParameterError) {
    query = try Linear(6, 8, parameters["to_q"])
    key = try Linear(6, 8, parameters["to_k"])
  }
}

private let config = LoRAConfig(rank: 4, alpha: 6, targets: ["to_q"])

/// The base weights, the adapters and all other values of peft's run.
private func parts(
  _ name: String
) throws -> (base: [String: Tensor], adapters: [String: Tensor], all: [String: Tensor]) {
  let all = try WeightsFile(path: fixture("torchnn/lora-\(name).safetensors")).tensors
  let weights = all.filter { $0.key.hasPrefix("to_") }
  return (
    weights.filter { !$0.key.contains("lora") }, weights.filter { $0.key.contains("lora") }, all
  )
}

/// The outputs of an adapted layer for the fixture's input, and the gradients of the input and of
/// the adapters, named as in the fixture.
private func computed(
  _ base: [String: Tensor], _ adapters: [String: Tensor], _ all: [String: Tensor]
) throws -> [String: Tensor] {
  let store = ParameterStore(
    .checkpoint(base, origin: "base"),
    adapters: (config, .checkpoint(adapters, origin: "adapters")), trainable: .adapters)
  let attention = try Attention(store.root)
  try store.finish()
  let input = try #require(all["input"]).clone()
  input.requiresGradient = true
  let output = attention.query(input)
  #expect(output.dtype == input.dtype)
  var found = ["output": output, "other.output": attention.key(input)]
  found["off.output"] = store.withoutAdapters { attention.query(input) }
  output.backward(gradient: all["seed"])
  found["gradient.input"] = try #require(input.gradient)
  for (name, parameter) in store.trainable {
    #expect(parameter.dtype == .float32)
    found["gradient.\(name)"] = try #require(parameter.gradient)
  }
  #expect(attention.query.weight.gradient == nil)
  return found
}

@Suite struct AdapterTests {
  @Test func `an adapted layer equals peft's, forward and backward`() throws {
    let (base, adapters, all) = try parts("float32")
    for (name, tensor) in try computed(base, adapters, all) {
      #expect(relativeError(tensor, try #require(all[name])) < 1e-6, "\(name)")
    }
  }

  @Test func `in bfloat16 it is as close to exact arithmetic as peft`() throws {
    let (base, adapters, all) = try parts("bfloat16")
    func float32(_ tensors: [String: Tensor]) -> [String: Tensor] {
      tensors.mapValues { $0.to(.float32) }
    }
    let exact = try computed(float32(base), adapters, float32(all))
    for (name, tensor) in try computed(base, adapters, all) {
      let truth = try #require(exact[name])
      let ours = relativeError(tensor, truth)
      let theirs = relativeError(try #require(all[name]), truth)
      // Both round to 8 bits several times, at different places.
      #expect(ours <= 1.25 * theirs && theirs < 6e-3, "\(name): \(ours), peft \(theirs)")
    }
  }

  @Test(arguments: [DType.float32, .bfloat16, .float16], [true, false])
  func `a layer with a new adapter gives the bits of the layer without it`(
    dtype: DType, hasBias: Bool
  ) throws {
    let generator = Generator(seed: 9)
    var base = ["to_q.weight": Tensor.randn([96, 128], generator: generator).to(dtype)]
    if hasBias { base["to_q.bias"] = Tensor.randn([96], generator: generator).to(dtype) }
    let store = ParameterStore(
      .checkpoint(base, origin: "base"), dtype: dtype, adapters: (config, .random(generator)),
      trainable: .adapters)
    let layer = try Linear(128, 96, bias: hasBias, store.root["to_q"])
    let x = Tensor.randn([3, 50, 128], generator: generator).to(dtype)
    withoutGradient {
      #expect(largestDifference(store.withoutAdapters { layer(x) }, layer(x)) == 0)
    }
  }

  @Test func `in bfloat16 the sum of layer and adapter is rounded once`() throws {
    let generator = Generator(seed: 8)
    let (inputs, outputs) = (256, 64)
    let base = [
      "to_q.weight": Tensor.randn([outputs, inputs], generator: generator).to(.bfloat16)
    ]
    let adapters = [
      "to_q.lora_A.weight": Tensor.randn([4, inputs], generator: generator) * 0.1,
      "to_q.lora_B.weight": Tensor.randn([outputs, 4], generator: generator) * 0.05,
    ]
    let x = Tensor.randn([128, inputs], generator: generator).to(.bfloat16)
    func output(_ dtype: DType) throws -> Tensor {
      let store = ParameterStore(
        .checkpoint(base.mapValues { $0.to(dtype) }, origin: "base"), dtype: dtype,
        adapters: (config, .checkpoint(adapters, origin: "adapters")), trainable: .adapters)
      let layer = try Linear(inputs, outputs, bias: false, store.root["to_q"])
      return withoutGradient { layer(x.to(dtype)) }
    }
    let exact = try output(.float32)
    let rounding = relativeError(exact.to(.bfloat16), exact)
    // If the layer's product were rounded as well, the factor would be 1.4.
    #expect(relativeError(try output(.bfloat16), exact) < 1.1 * rounding)
  }

  @Test func `a new adapter changes nothing and has the configured initial values`() throws {
    let base = try parts("float32").base
    let plain = try Attention(ParameterStore(.checkpoint(base, origin: "base")).root)
    let store = ParameterStore(
      .checkpoint(base, origin: "base"),
      adapters: (LoRAConfig(rank: 100, alpha: 1, targets: ["to_q"]), .random(Generator(seed: 1))),
      trainable: .adapters)
    let adapted = try Attention(store.root)
    let input = Tensor.randn([3, 6], generator: Generator(seed: 2))
    #expect(adapted.query(input).floats() == plain.query(input).floats())
    #expect(store.adapters.map(\.name) == ["to_q.lora_A.weight", "to_q.lora_B.weight"])
    #expect(store.adapters.map(\.tensor.shape) == [[100, 6], [8, 100]])
    let deviation = standardDeviation(store.adapters[0].tensor, correction: 1)
    #expect((0.009...0.011).contains(deviation), "A's initial standard deviation is 1/rank")
  }

  @Test func `adapters are off only inside withoutAdapters, also after a thrown error`() throws {
    let (base, adapters, all) = try parts("float32")
    let store = ParameterStore(
      .checkpoint(base, origin: "base"), adapters: (config, .checkpoint(adapters, origin: "adapters")))
    let attention = try Attention(store.root)
    let input = try #require(all["input"])
    let adapted = attention.query(input).floats()
    let plain = try Attention(ParameterStore(.checkpoint(base, origin: "base")).root)
      .query(input).floats()
    #expect(adapted != plain)
    #expect(throws: ParameterError.unmatchedTargets(["x"])) {
      try store.withoutAdapters { () throws(ParameterError) in
        #expect(attention.query(input).floats() == plain)
        store.withoutAdapters {}
        #expect(attention.query(input).floats() == plain)
        throw ParameterError.unmatchedTargets(["x"])
      }
    }
    #expect(attention.query(input).floats() == adapted)
  }

  @Test func `a target is a whole path or its end after a dot`() {
    let config = LoRAConfig(rank: 1, alpha: 2, targets: ["to_q", "ff.net.2"])
    #expect(config.adapts("to_q"))
    #expect(config.adapts("blocks.0.attn.to_q"))
    #expect(config.adapts("blocks.0.ff.net.2"))
    #expect(!config.adapts("blocks.0.attn.add_to_q"))
    #expect(!config.adapts("blocks.0.off.net.2"))
    #expect(!config.adapts("to_q.inner"))
    #expect(config.scale == 2)
  }

  @Test func `a target that matches nothing is an error`() throws {
    let targets = ["to_q", "to_v"]
    let store = ParameterStore(
      .meta, adapters: (LoRAConfig(rank: 1, alpha: 1, targets: targets), .meta))
    _ = try Attention(store.root)
    #expect(throws: ParameterError.unmatchedTargets(["to_v"])) { try store.finish() }
  }

  @Test func `adapters of other layers are an error`() throws {
    let parts = try parts("float32")
    var adapters = parts.adapters
    adapters["to_v.lora_A.weight"] = adapters["to_q.lora_A.weight"]
    let store = ParameterStore(
      .checkpoint(parts.base, origin: "base"),
      adapters: (config, .checkpoint(adapters, origin: "lora")))
    _ = try Attention(store.root)
    #expect(throws: ParameterError.unused(keys: ["to_v.lora_A.weight"], origin: "lora")) {
      try store.finish()
    }
  }
}
