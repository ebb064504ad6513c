import TestSupport
import Testing
import Torch
import TorchNN

private let width = 8

/// Blocks that processes share, with the other processes simulated: when each is gathered, and what
/// each process keeps. A simulated CUDA device notices work that begins before a gather has ended,
/// or a gather over weights in use.
@Suite(.serialized) struct SharedBlocksTests {
  /// Blocks of one layer with an adapter, `x -> x + tanh(layer(x))`.
  private struct Blocks {
    let store: ParameterStore
    let residency: MovingWeights
    private let layers: [Linear]
    private let loop: BlockLoop

    init(
      _ count: Int, _ group: SimulatedShards, _ quantization: WeightQuantization = .none,
      _ offload: WeightOffload = .none, on device: Device = .cpu
    ) throws {
      let outline = ParameterStore(.meta, device: .meta)
      _ = try Self.layers(count, outline)
      let config = LoRAConfig(rank: 2, alpha: 2, targets: (0..<count).map { "blocks.\($0)" })
      residency = MovingWeights(
        outline.blocks, dtype: { _ in .float32 }, quantization: quantization, offload: offload,
        device: device, group: group)
      store = ParameterStore(
        .random(Generator(seed: 1)), device: device,
        adapters: (config, .random(Generator(seed: 2))), trainable: .adapters,
        residency: residency)
      layers = try Self.layers(count, store)
      loop = BlockLoop(store.root)
      let store = store
      withoutGradient { for (_, tensor) in store.adapters { tensor.fill_(0.1) } }
    }

    private static func layers(_ count: Int, _ store: ParameterStore) throws -> [Linear] {
      try (0..<count).map { try Linear(width, width, store.root["blocks"].block($0)) }
    }

    func callAsFunction(
      _ x: Tensor, _ checkpointing: GradientCheckpointing? = nil,
      runs: @escaping (Int) -> Void = { _ in }
    ) -> Tensor {
      let layers = layers
      return loop([x], shared: [], count: layers.count, checkpointing: checkpointing) {
        index, state, _ in
        runs(index)
        return [state[0] + layers[index](state[0]).tanh()]
      }.state[0]
    }

    func train(_ x: Tensor, runs: @escaping (Int) -> Void = { _ in }) -> Tensor {
      let checkpointing = GradientCheckpointing()
      let output = self(x, checkpointing, runs: runs)
      output.backward(gradient: x)
      checkpointing.backward()
      return output
    }
  }

  /// A block's run, with what has been gathered by then.
  private struct Run: Equatable {
    var block: Int
    /// Blocks whose gather began since the previous run.
    var begun: [Int]
    /// Blocks whose gather was waited for since then.
    var waited: [Int]
  }

  private func runs(
    _ group: SimulatedShards, _ body: (@escaping (Int) -> Void) -> Void
  ) -> [Run] {
    final class Notes { var values: [Run] = [] }
    let notes = Notes()
    group.events = []
    body { block in
      notes.values.append(
        Run(
          block: block,
          begun: group.events.compactMap { if case .begins(let block) = $0 { block } else { nil } },
          waited: group.events.compactMap { if case .waits(let block) = $0 { block } else { nil } })
      )
      group.events = []
    }
    #expect(group.events.isEmpty, "a gather after the last block")
    return notes.values
  }

  @Test(arguments: WeightQuantization.allCases, WeightOffload.allCases)
  func `each block is gathered once a pass, while the one before it runs`(
    quantization: WeightQuantization, offload: WeightOffload
  ) throws {
    let group = SimulatedShards.ranks(2)[0]
    let blocks = try Blocks(4, group, quantization, offload)
    let x = Tensor.ones([3, width])
    #expect(
      runs(group) { run in _ = withoutGradient { blocks(x, runs: run) } } == [
        Run(block: 0, begun: [0, 1], waited: [0]), Run(block: 1, begun: [2], waited: [1]),
        Run(block: 2, begun: [3], waited: [2]), Run(block: 3, begun: [0], waited: [3]),
      ])
    // The next pass finds its first block.
    for _ in 0..<2 {
      #expect(
        runs(group) { run in _ = withoutGradient { blocks(x, runs: run) } } == [
          Run(block: 0, begun: [1], waited: [0]), Run(block: 1, begun: [2], waited: [1]),
          Run(block: 2, begun: [3], waited: [2]), Run(block: 3, begun: [0], waited: [3]),
        ])
    }
  }

  @Test func `a backward pass gathers the blocks in the reverse order`() throws {
    let group = SimulatedShards.ranks(3)[1]
    let blocks = try Blocks(5, group)
    let x = Tensor.ones([3, width])
    let backward = [
      // The last two blocks are in place.
      Run(block: 4, begun: [], waited: []), Run(block: 3, begun: [2], waited: []),
      Run(block: 2, begun: [1], waited: [2]), Run(block: 1, begun: [0], waited: [1]),
      Run(block: 0, begun: [], waited: [0]),
    ]
    #expect(
      runs(group) { run in _ = blocks.train(x, runs: run) } == [
        Run(block: 0, begun: [0, 1], waited: [0]), Run(block: 1, begun: [2], waited: [1]),
        Run(block: 2, begun: [3], waited: [2]), Run(block: 3, begun: [4], waited: [3]),
        Run(block: 4, begun: [], waited: [4]),
      ] + backward)
    #expect(
      runs(group) { run in _ = blocks.train(x, runs: run) } == [
        // The first two blocks are in place.
        Run(block: 0, begun: [], waited: []), Run(block: 1, begun: [2], waited: []),
        Run(block: 2, begun: [3], waited: [2]), Run(block: 3, begun: [4], waited: [3]),
        Run(block: 4, begun: [], waited: [4]),
      ] + backward)
  }

  @Test func `a gather is waited for before another fills its slot`() throws {
    let group = SimulatedShards.ranks(2)[0]
    let blocks = try Blocks(6, group)
    // Block 1 is expected behind block 0, and block 3 is entered.
    blocks.residency.enter(0)
    blocks.residency.enter(3)
    #expect(
      group.events == [
        .begins(0), .waits(0), .begins(1), .waits(1), .begins(3), .waits(3), .begins(4),
      ])
  }

  @Test func `processes with batches of their own make the same gathers`() throws {
    let ranks = SimulatedShards.ranks(3)
    let events = try ranks.map { rank in
      let blocks = try Blocks(4, rank)
      for pass in 0..<3 {
        let x = Tensor.ones([1 + rank.rank, width])
        if pass == 1 { _ = blocks.train(x) } else { _ = withoutGradient { blocks(x) } }
      }
      return rank.events
    }
    #expect(events[0] == events[1] && events[0] == events[2] && events[0].count > 20)
  }

  @Test(arguments: [1, 2, 3, 7])
  func `every process keeps an equal part of each block, at a multiple of 256 bytes`(
    count: Int
  ) throws {
    for rank in SimulatedShards.ranks(count) {
      // A weight of 256 bytes and a bias of 32, padded to 256.
      let share = [1: 512, 2: 256, 3: 256, 7: 256]
      #expect(try Blocks(5, rank).residency.storedByteCount == 5 * share[count, default: 0])
      // Of 8 bits: a weight of 64 bytes, its scale of 32 and the bias, each padded to 256.
      let small = [1: 768, 2: 512, 3: 256, 7: 256]
      #expect(
        try Blocks(5, rank, .int8).residency.storedByteCount == 5 * small[count, default: 0])
    }
  }

  @Test(arguments: WeightQuantization.allCases, WeightOffload.allCases)
  func `values and gradients of every process are those of blocks in memory`(
    quantization: WeightQuantization, offload: WeightOffload
  ) throws {
    try expectSame(quantization, offload, on: .cpu)
  }

  @Test(
    .enabled(if: SimulatedCUDA.current != nil, "follows the streams of a simulated CUDA device"),
    arguments: WeightQuantization.allCases, WeightOffload.allCases)
  func `on a device, values and gradients are the same and the host never waits`(
    quantization: WeightQuantization, offload: WeightOffload
  ) throws {
    try expectSame(quantization, offload, on: .cuda(0))
  }

  private func expectSame(
    _ quantization: WeightQuantization, _ offload: WeightOffload, on device: Device
  ) throws {
    let alone = try #require(SimulatedShards.ranks(1).first)
    let whole = try results(Blocks(5, alone, quantization), on: .cpu)
    for count in [2, 3, 7] {
      let ranks = SimulatedShards.ranks(count)
      func blocks(_ rank: SimulatedShards) throws -> Blocks {
        try Blocks(5, rank, quantization, offload, on: device)
      }
      for rank in ranks { (0..<5).forEach(try blocks(rank).residency.enter) }
      for rank in ranks { #expect(try results(blocks(rank), on: device) == whole) }
    }
  }

  private func results(_ blocks: Blocks, on device: Device) throws -> [[Float]] {
    let x = Tensor.randn([3, width], generator: Generator(seed: 5)).to(device)
    let simulation = device == .cpu ? nil : SimulatedCUDA.current
    simulation?.reset()
    var outputs: [Tensor] = []
    for _ in 0..<2 {
      outputs.append(withoutGradient { blocks(x) })
      outputs.append(blocks.train(x))
    }
    let gradients = try blocks.store.trainable.map { try #require($0.tensor.gradient) }
    #expect(simulation?.waits ?? 0 == 0, "\(simulation?.waitsByName ?? "")")
    return (outputs + gradients).map { $0.floats() }
  }
}
