import TestSupport
import Testing
import Torch
import TorchNN

/// Two streams through four layers, the second with input from the first, all modulated by a
/// vector.
private struct Chain {
  let embedding: Linear
  let layers: [Linear]
  let head: Linear
  let calls = CallCounter()

  init(_ parameters: ParameterScope) throws(ParameterError) {
    embedding = try Linear(3, 5, parameters["embedding"])
    var layers: [Linear] = []
    for index in 0..<4 { layers.append(try Linear(5, 5, parameters["layers"][index])) }
    self.layers = layers
    head = try Linear(5, 2, parameters["head"])
  }

  func callAsFunction(_ x: Tensor, _ tape: GradientCheckpointing?) -> Tensor {
    let embedded = embedding(x)
    var streams = [embedded, embedded * 0.5, embedded.mean(dims: [0], keepDim: true)]
    if let tape { streams = tape.cut(streams) }
    for layer in layers {
      let block: ([Tensor]) -> [Tensor] = { inputs in
        calls.count += 1
        let first = layer(inputs[0]).tanh() * inputs[2]
        return [first, inputs[1] + first.squared()]
      }
      streams = (tape?.run(streams, block) ?? block(streams)) + [streams[2]]
    }
    return head(streams[1])
  }
}

private final class CallCounter { var count = 0 }

@Suite struct GradientCheckpointingTests {
  /// The gradients of all trainable parameters, and the number of layer calls.
  private func gradients(
    _ trainable: ParameterStore.Trainable, adapting targets: [String]? = nil, recomputing: Bool
  ) throws -> (gradients: [Tensor?], calls: Int) {
    let config = targets.map { LoRAConfig(rank: 2, alpha: 2, targets: $0) }
    let store = ParameterStore(
      .random(Generator(seed: 1)), adapters: config.map { ($0, .random(Generator(seed: 2))) },
      trainable: trainable)
    let chain = try Chain(store.root)
    try store.finish()
    let generator = Generator(seed: 3)
    withoutGradient {
      for (_, tensor) in store.adapters { tensor.normal_(std: 0.3, generator: generator) }
    }
    let tape = recomputing ? GradientCheckpointing() : nil
    let output = chain(Tensor.randn([7, 3], generator: generator), tape)
    output.backward(gradient: Tensor.randn(output.shape, generator: generator))
    tape?.backward()
    return (store.trainable.map(\.tensor.gradient), chain.calls.count)
  }

  @Test(arguments: [nil, ["layers.2"], ["layers.0", "layers.3"]] as [[String]?])
  func `gradients equal those of one unbroken graph`(_ targets: [String]?) throws {
    let trainable: ParameterStore.Trainable = targets == nil ? .full : .adapters
    let whole = try gradients(trainable, adapting: targets, recomputing: false).gradients
    let again = try gradients(trainable, adapting: targets, recomputing: true).gradients
    #expect(whole.count == again.count)
    for (expected, found) in zip(whole, again) {
      #expect(relativeError(try #require(found), try #require(expected)) < 1e-6)
    }
  }

  @Test func `a block runs twice unless nothing in it or before it is trainable`() throws {
    #expect(try gradients(.full, recomputing: true).calls == 8)
    #expect(try gradients(.full, recomputing: false).calls == 4)
    #expect(try gradients(.adapters, adapting: ["layers.2"], recomputing: true).calls == 6)
  }

  @Test func `a second backward call has no effect`() throws {
    let weight = Tensor.ones([2, 2])
    weight.requiresGradient = true
    let tape = GradientCheckpointing()
    let output = tape.run([Tensor.ones([2, 2])]) { [$0[0] * weight] }[0]
    output.backward(gradient: Tensor.ones([2, 2]))
    #expect(weight.gradient == nil)
    tape.backward()
    tape.backward()
    #expect(try #require(weight.gradient).floats() == [1, 1, 1, 1])
  }
}
