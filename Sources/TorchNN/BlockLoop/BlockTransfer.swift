import Torch

/// Copies blocks from the host's memory to the device, one block ahead.
///
/// Two slots hold a block each, blocks of even and of odd numbers: while a block runs, its
/// successor is copied into the other slot on a stream of its own. Which one that is follows from
/// the order so far: blocks ascend in a forward pass and descend in the backward pass of gradient
/// checkpointing. A wrong guess costs the time of one copy.
final class BlockTransfer {
  private struct Slot {
    let buffer: Tensor
    /// The block whose weights it holds or receives.
    var block: Int?
    /// The end of the copy, until the current stream has been told of it.
    var arrival: DeviceEvent?
  }

  private let device: Device
  private let stream: DeviceStream
  private var slots: [Slot]
  private var hosts: [HostBuffer?]
  private let byteCounts: [Int]
  private var last = -1

  /// - Parameter byteCounts: the sizes of the blocks.
  init(_ byteCounts: [Int], _ device: Device) {
    self.device = device
    self.byteCounts = byteCounts
    stream = DeviceStream(device)
    hosts = byteCounts.map { _ in nil }
    slots = (0..<min(2, byteCounts.count)).map { parity in
      let own = stride(from: parity, to: byteCounts.count, by: 2).map { byteCounts[$0] }
      return Slot(buffer: .empty([own.max() ?? 0], dtype: .uint8, device: device))
    }
  }

  /// Freed memory of a slot is used again by work of the current stream, which a copy under way
  /// must precede.
  deinit { for slot in slots { slot.arrival?.block() } }

  /// The buffer of the device that block `index` is copied to.
  func buffer(of index: Int) -> Tensor { slots[index % 2].buffer }

  /// Keeps a tensor of block `index` on the host.
  func store(_ tensor: Tensor, of index: Int, at place: BlockLayout.Place) {
    let host = hosts[index] ?? HostBuffer(byteCounts[index], isPinned: device != .cpu)
    hosts[index] = host
    host.write(tensor, at: place)
  }

  /// Lets the current stream go on once block `index` has arrived, and begins to copy the next one.
  func enter(_ index: Int) {
    // All blocks before this one have been queued: copies after their end find the other slot free.
    let queued = DeviceEvent(device)
    copy(index, after: queued)
    slots[index % 2].arrival?.block()
    slots[index % 2].arrival = nil
    if let next = successor(of: index), next % 2 != index % 2 { copy(next, after: queued) }
    last = index
  }

  private func copy(_ index: Int, after queued: DeviceEvent) {
    let slot = slots[index % 2]
    guard slot.block != index, let host = hosts[index] else { return }
    slots[index % 2].arrival = stream.run(after: queued) {
      withoutGradient { host.copy(to: slot.buffer) }
    }
    slots[index % 2].block = index
  }

  /// The block that is expected behind block `index`; nil for the only block.
  private func successor(of index: Int) -> Int? {
    let end = hosts.count - 1
    if end == 0 { return nil }
    if index == 0 { return 1 }
    // Behind the last block, a backward pass begins with it, the next forward pass with the first.
    if index == end { return isRecordingGradients ? end - 1 : 0 }
    return index > last ? index + 1 : index - 1
  }
}
