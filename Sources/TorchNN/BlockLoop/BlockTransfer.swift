import Torch

/// Brings blocks to the device one block ahead: from the host's memory, from the processes that
/// share them, or both.
///
/// Two slots hold a block each, blocks of even and of odd numbers: while a block runs, its
/// successor is copied or gathered into the other slot, beside the computation. Which one that is
/// follows from the order so far: blocks ascend in a forward pass and descend in the backward pass
/// of gradient checkpointing. A wrong guess costs the time of one copy. The guess depends on the
/// calls alone, so that processes with the same calls gather the same blocks in the same order.
final class BlockTransfer {
  /// The end of what brings a block.
  private enum Arrival {
    case copy(DeviceEvent)
    case gather(any PendingShards)

    /// Lets the current stream, and the host for a gather of its memory, go on afterwards.
    func wait() {
      switch self {
      case .copy(let end): end.block()
      case .gather(let pending): pending.wait()
      }
    }
  }

  private struct Slot {
    let buffer: Tensor
    /// The block whose weights it holds or receives.
    var block: Int?
    /// The end of its arrival, until it has been waited for.
    var arrival: Arrival?
  }

  private let device: Device
  private let group: (any ShardGroup)?
  private let isOffloaded: Bool
  private let stream: DeviceStream
  private var slots: [Slot]
  private let blocks: [StoredBlock]
  private var last = -1

  /// - Parameters:
  ///   - byteCounts: the sizes of the blocks.
  ///   - group: the processes that share the blocks; nil if this one has all bytes.
  init(
    _ byteCounts: [Int], offload: WeightOffload, group: (any ShardGroup)?, _ device: Device
  ) {
    self.device = device
    self.group = group
    isOffloaded = offload == .blocks
    stream = DeviceStream(device)
    let (rank, size) = (group?.rank ?? 0, group?.size ?? 1)
    let shares = byteCounts.map { BlockLayout.share(of: $0, among: size) }
    blocks = shares.map { share in
      let range = (rank * share)..<((rank + 1) * share)
      return offload == .blocks
        ? StoredBlock(range, isPinned: device != .cpu) : StoredBlock(range, on: device)
    }
    slots = (0..<min(2, byteCounts.count)).map { parity in
      let own = stride(from: parity, to: shares.count, by: 2).map { size * shares[$0] }
      return Slot(buffer: .empty([own.max() ?? 0], dtype: .uint8, device: device))
    }
  }

  /// Freed memory of a slot is used again by work of the current stream, which a copy under way
  /// must precede.
  deinit {
    for case .copy(let end)? in slots.map(\.arrival) { end.block() }
  }

  /// Bytes of all blocks that this process keeps.
  var storedByteCount: Int { blocks.reduce(0) { $0 + $1.range.count } }

  /// The buffer of the device where block `index` arrives.
  func buffer(of index: Int) -> Tensor { slots[index % 2].buffer }

  /// The bytes of a tensor of block `index` that this process keeps, from the tensor's start; empty
  /// if there are none.
  func kept(_ place: BlockLayout.Place, of index: Int) -> Range<Int> {
    let range = blocks[index].range
    let start = min(max(0, range.lowerBound - place.start), place.byteCount)
    return start..<max(start, min(range.upperBound - place.start, place.byteCount))
  }

  /// Keeps a tensor of block `index`, or as much of it as this process keeps.
  ///
  /// - Parameter start: the place of its first byte in the block.
  func store(_ tensor: Tensor, of index: Int, at start: Int) {
    blocks[index].write(tensor, at: start)
  }

  /// Lets the current stream go on once block `index` has arrived, and begins to bring the next
  /// one.
  func enter(_ index: Int) {
    // All blocks before this one have been queued: what begins after their end finds the other slot
    // free.
    let queued = DeviceEvent(device)
    bring(index, after: queued)
    slots[index % 2].arrival?.wait()
    slots[index % 2].arrival = nil
    if let next = successor(of: index), next % 2 != index % 2 { bring(next, after: queued) }
    last = index
  }

  private func bring(_ index: Int, after queued: DeviceEvent) {
    let (slot, block) = (slots[index % 2], blocks[index])
    guard slot.block != index else { return }
    // Copies follow each other on their stream. A gather into the slot that nobody waited for has
    // to end first, which the current stream waits for, and the copy for that.
    var queued = queued
    if group != nil, let arrival = slot.arrival {
      arrival.wait()
      queued = DeviceEvent(device)
    }
    var pending: (any PendingShards)?
    let copied = stream.run(after: queued) {
      withoutGradient { pending = fill(slot.buffer, with: block, index) }
    }
    slots[index % 2].arrival = pending.map { .gather($0) } ?? .copy(copied)
    slots[index % 2].block = index
  }

  /// Queues the copy of a block; of a shared block, begins the gather.
  private func fill(
    _ buffer: Tensor, with block: StoredBlock, _ index: Int
  ) -> (any PendingShards)? {
    guard let group else {
      block.copy(to: buffer.narrowed(dim: 0, start: 0, length: block.range.count))
      return nil
    }
    let output = buffer.narrowed(dim: 0, start: 0, length: group.size * block.range.count)
    guard isOffloaded else { return group.beginGather(block.bytes, into: output, block: index) }
    let share = output.narrowed(dim: 0, block.range)
    block.copy(to: share)
    return group.beginGather(share, into: output, block: index)
  }

  /// The block that is expected behind block `index`; nil for the only block.
  private func successor(of index: Int) -> Int? {
    let end = blocks.count - 1
    if end == 0 { return nil }
    if index == 0 { return 1 }
    // Behind the last block, a backward pass begins with it, the next forward pass with the first.
    if index == end { return isRecordingGradients ? end - 1 : 0 }
    return index > last ? index + 1 : index - 1
  }
}
