import TestSupport
import Testing
import Torch
import TorchNN

private let width = 8

/// Blocks that arrive from the host. Only a simulated device counts copies, and notices work that
/// begins before a copy has ended or a copy over weights in use.
@Suite(
  .serialized,
  .enabled(if: SimulatedCUDA.current != nil, "counts copies of a simulated CUDA device"))
struct DeviceTransferTests {
  /// Blocks of one layer with an adapter, `x -> x + tanh(layer(x))`.
  private struct Blocks {
    let store: ParameterStore
    let layers: [Linear]
    let loop: BlockLoop

    init(
      _ count: Int, _ quantization: WeightQuantization, _ offload: WeightOffload, _ device: Device
    ) throws {
      let outline = ParameterStore(.meta, device: .meta)
      _ = try Self.layers(count, outline)
      let config = LoRAConfig(rank: 2, alpha: 2, targets: (0..<count).map { "blocks.\($0)" })
      store = ParameterStore(
        .random(Generator(seed: 1)), device: device,
        adapters: (config, .random(Generator(seed: 2))), trainable: .adapters,
        residency: MovingWeights(
          outline.blocks, dtype: { _ in .float32 }, quantization: quantization, offload: offload,
          device: device))
      layers = try Self.layers(count, store)
      loop = BlockLoop(store.root)
      let store = store
      withoutGradient { for (_, tensor) in store.adapters { tensor.fill_(0.1) } }
    }

    private static func layers(_ count: Int, _ store: ParameterStore) throws -> [Linear] {
      try (0..<count).map { try Linear(width, width, store.root["blocks"].block($0)) }
    }

    /// Notes the copies so far at both ends of every block.
    func callAsFunction(
      _ x: Tensor, _ checkpointing: GradientCheckpointing?, note: @escaping () -> Void
    ) -> Tensor {
      let layers = layers
      return loop([x], shared: [], count: layers.count, checkpointing: checkpointing) {
        index, state, _ in
        note()
        defer { note() }
        return [state[0] + layers[index](state[0]).tanh()]
      }.state[0]
    }
  }

  /// The copies before the block, and those by its end.
  private struct Count: Equatable {
    var start, end: Int
  }

  /// What `body` copies, by block.
  private func copies(
    _ simulation: SimulatedCUDA, _ body: (@escaping () -> Void) -> Void
  ) -> [Count] {
    TorchRuntime.synchronize(.cuda(0))
    simulation.reset()
    final class Notes { var values: [Int] = [] }
    let notes = Notes()
    body { notes.values.append(simulation.uploads) }
    #expect(simulation.waits == 0, "\(simulation.waitsByName)")
    #expect(simulation.uploadsBeside == simulation.uploads, "copies beside the computation")
    return stride(from: 0, to: notes.values.count, by: 2).map {
      Count(start: notes.values[$0], end: notes.values[$0 + 1])
    }
  }

  @Test(arguments: [4, 5], [WeightQuantization.none, .int8])
  func `each block is copied while the one before it runs, and none within a block`(
    count: Int, quantization: WeightQuantization
  ) throws {
    let simulation = try #require(SimulatedCUDA.current)
    let blocks = try Blocks(count, quantization, .blocks, .cuda(0))
    let x = Tensor.ones([3, width], device: .cuda(0))
    func forward() -> [Count] {
      copies(simulation) { note in _ = withoutGradient { blocks(x, nil, note: note) } }
    }
    // Every count includes the block's successor already.
    let first = forward()
    let last = count % 2 == 0 ? count + 1 : count
    #expect(first.map(\.start) == (2...count).map { $0 } + [last])
    #expect(first.allSatisfy { $0.start == $0.end })
    // Behind an even number of blocks the first one is in place again. Of an odd number, the first
    // and the last share a slot.
    let second = forward()
    #expect(
      second.map(\.start)
        == (count % 2 == 0 ? (1...count).map { $0 } : (2...count).map { $0 } + [count]))
    #expect(second.allSatisfy { $0.start == $0.end })
  }

  @Test(arguments: [WeightQuantization.none, .int8])
  func `a backward pass copies the blocks in the reverse order`(
    quantization: WeightQuantization
  ) throws {
    let simulation = try #require(SimulatedCUDA.current)
    let blocks = try Blocks(5, quantization, .blocks, .cuda(0))
    let x = Tensor.ones([3, width], device: .cuda(0))
    let checkpointing = GradientCheckpointing()
    func train() -> [Count] {
      copies(simulation) { note in
        let output = blocks(x, checkpointing, note: note)
        output.backward(gradient: x)
        checkpointing.backward()
      }
    }
    let first = train()
    // Blocks 3 and 4 are in place when the backward pass begins; 2, 1 and 0 follow.
    #expect(first.map(\.start) == [2, 3, 4, 5, 5] + [5, 6, 7, 8, 8])
    #expect(first.allSatisfy { $0.start == $0.end })
    // Blocks 0 and 1 are in place when the next forward pass begins.
    #expect(train().map(\.start) == [0, 1, 2, 3, 3] + [3, 4, 5, 6, 6])
    #expect(blocks.store.trainable.allSatisfy { $0.tensor.gradient?.device == .cuda(0) })
  }

  @Test(
    arguments: WeightQuantization.allCases, WeightOffload.allCases)
  func `values and gradients on the device are those of the CPU`(
    quantization: WeightQuantization, offload: WeightOffload
  ) throws {
    func results(_ device: Device) throws -> [[Float]] {
      let blocks = try Blocks(5, quantization, offload, device)
      let x = Tensor.randn([3, width], generator: Generator(seed: 5)).to(device)
      let checkpointing = GradientCheckpointing()
      var results: [[Float]] = []
      for _ in 0..<2 {
        results.append(withoutGradient { blocks(x, nil) {} }.floats())
        let output = blocks(x, checkpointing) {}
        output.backward(gradient: x)
        checkpointing.backward()
        results.append(output.floats())
      }
      return try results
        + blocks.store.trainable.map { try #require($0.tensor.gradient).floats() }
    }
    #expect(try results(.cuda(0)) == results(.cpu))
  }
}
