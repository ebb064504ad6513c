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

private let plan = AdapterPlan(rank: 4, alpha: 6, targets: ["to_q"])

/// The base weights, the adapters and everything else that peft's run recorded.
private func parts(
  _ name: String
) throws -> (base: [String: Tensor], adapters: [String: Tensor], all: [String: Tensor]) {
  let all = try Checkpoint(path: fixture("torchnn/lora-\(name).safetensors")).tensors
  let weights = all.filter { $0.key.hasPrefix("to_") }
  return (
    weights.filter { !$0.key.contains("lora") }, weights.filter { $0.key.contains("lora") }, all
  )
}

@Suite struct AdapterTests {
  // bfloat16 keeps 8 bits: one rounding differs by at most 2^-8.
  @Test(arguments: [("float32", 1e-6), ("bfloat16", 4e-3)])
  func `an adapted layer computes what peft computes, forward and backward`(
    name: String, tolerance: Double
  ) throws {
    let (base, adapters, all) = try parts(name)
    let store = ParameterStore(
      .checkpoint(base, origin: "base"),
      adapters: (plan, .checkpoint(adapters, origin: "adapters")), trainable: .adapters)
    let attention = try Attention(store.root)
    try store.finish()
    let input = try #require(all["input"]).clone()
    input.requiresGradient = true
    let output = attention.query(input)
    #expect(output.dtype == input.dtype)
    #expect(relativeError(output, try #require(all["output"])) < tolerance)
    #expect(relativeError(attention.key(input), try #require(all["other.output"])) < tolerance)
    let off = store.withoutAdapters { attention.query(input) }
    #expect(relativeError(off, try #require(all["off.output"])) < tolerance)
    output.backward(gradient: all["seed"])
    let inputGradient = try #require(input.gradient)
    #expect(relativeError(inputGradient, try #require(all["gradient.input"])) < tolerance)
    for (name, parameter) in store.trainable {
      #expect(parameter.dtype == .float32)
      let gradient = try #require(parameter.gradient)
      #expect(relativeError(gradient, try #require(all["gradient.\(name)"])) < tolerance)
    }
    #expect(attention.query.weight.gradient == nil)
  }

  @Test func `a new adapter changes nothing, and begins as its plan says`() throws {
    let base = try parts("float32").base
    let plain = try Attention(ParameterStore(.checkpoint(base, origin: "base")).root)
    let store = ParameterStore(
      .checkpoint(base, origin: "base"),
      adapters: (AdapterPlan(rank: 100, alpha: 1, targets: ["to_q"]), .random(Generator(seed: 1))),
      trainable: .adapters)
    let adapted = try Attention(store.root)
    let input = Tensor.randn([3, 6], generator: Generator(seed: 2))
    #expect(adapted.query(input).floats() == plain.query(input).floats())
    #expect(store.adapters.map(\.name) == ["to_q.lora_A.weight", "to_q.lora_B.weight"])
    #expect(store.adapters.map(\.tensor.shape) == [[100, 6], [8, 100]])
    let deviation = store.adapters[0].tensor.std(dims: [0, 1], correction: 1).item()
    #expect((0.009...0.011).contains(deviation), "A begins with deviation 1/rank")
  }

  @Test func `adapters are off inside withoutAdapters alone, whatever it throws`() throws {
    let store = ParameterStore(.meta, adapters: (plan, .meta))
    #expect(store.adaptersEnabled)
    #expect(throws: ParameterError.unmatchedTargets(["x"])) {
      try store.withoutAdapters { () throws(ParameterError) in
        #expect(!store.adaptersEnabled)
        store.withoutAdapters {}
        #expect(!store.adaptersEnabled)
        throw ParameterError.unmatchedTargets(["x"])
      }
    }
    #expect(store.adaptersEnabled)
  }

  @Test func `a target is a whole path or its end after a dot`() {
    let plan = AdapterPlan(rank: 1, alpha: 2, targets: ["to_q", "ff.net.2"])
    #expect(plan.adapts("to_q"))
    #expect(plan.adapts("blocks.0.attn.to_q"))
    #expect(plan.adapts("blocks.0.ff.net.2"))
    #expect(!plan.adapts("blocks.0.attn.add_to_q"))
    #expect(!plan.adapts("blocks.0.off.net.2"))
    #expect(!plan.adapts("to_q.inner"))
    #expect(plan.scale == 2)
  }

  @Test func `a target that matches nothing is an error`() throws {
    let targets = ["to_q", "to_v"]
    let store = ParameterStore(
      .meta, adapters: (AdapterPlan(rank: 1, alpha: 1, targets: targets), .meta))
    _ = try Attention(store.root)
    #expect(throws: ParameterError.unmatchedTargets(["to_v"])) { try store.finish() }
  }

  @Test func `adapters that belong to other layers are an error`() throws {
    let parts = try parts("float32")
    var adapters = parts.adapters
    adapters["to_v.lora_A.weight"] = adapters["to_q.lora_A.weight"]
    let store = ParameterStore(
      .checkpoint(parts.base, origin: "base"),
      adapters: (plan, .checkpoint(adapters, origin: "lora")))
    _ = try Attention(store.root)
    #expect(throws: ParameterError.unused(keys: ["to_v.lora_A.weight"], origin: "lora")) {
      try store.finish()
    }
  }
}
