import Testing
package import Torch
package import TorchNN

/// One of several processes that share blocks, with the shares of the others at hand, so that its
/// network can run alone.
///
/// The first gather of a block collects this process's share. Once every process has entered each
/// block, gathers of new networks deliver.
package final class SimulatedShards: ShardGroup {
  /// What a block loop has a group do.
  package enum Event: Equatable {
    case begins(Int)
    case waits(Int)
  }

  private final class Shares {
    /// By block, then rank.
    var values: [Int: [Int: Tensor]] = [:]
  }

  package let rank: Int
  package let size: Int
  /// The gathers so far.
  package var events: [Event] = []
  private let shares: Shares

  private init(_ rank: Int, _ size: Int, _ shares: Shares) {
    (self.rank, self.size, self.shares) = (rank, size, shares)
  }

  /// The processes of a run, which share the blocks of one network.
  package static func ranks(_ count: Int) -> [SimulatedShards] {
    let shares = Shares()
    return (0..<count).map { SimulatedShards($0, count, shares) }
  }

  package func beginGather(
    _ share: Tensor, into output: Tensor, block: Int
  ) -> any PendingShards {
    events.append(.begins(block))
    #expect(share.dtype == .uint8 && output.dtype == .uint8 && output.shape == [size * share.count])
    #expect(!isRecordingGradients)
    // The share may lie in the output.
    let own = share.clone()
    output.fill_(255)
    let found = shares.values[block, default: [:]]
    if found[rank] == nil { shares.values[block, default: [:]][rank] = own }
    let all = (0..<size).map { $0 == rank ? own : found[$0] }
    let deliver = {
      for case (let rank, let share?) in all.enumerated() {
        output.narrowed(dim: 0, start: rank * share.count, length: share.count).copy_(share)
      }
    }
    // On a device, work in the order of streams; on the host, nothing arrives before the wait.
    let isOnHost = output.device == .cpu
    if !isOnHost { deliver() }
    let end = DeviceEvent(output.device)
    return Pending { [self] in
      events.append(.waits(block))
      end.block()
      if isOnHost { withoutGradient(deliver) }
    }
  }

  private final class Pending: PendingShards {
    private let end: () -> Void

    init(_ end: @escaping () -> Void) { self.end = end }

    func wait() { end() }
  }
}
