internal import Foundations
package import ProcessGroups
package import Torch
package import TorchNN

extension TrainingRecipe {
  /// How many of a run's processes share one copy of the frozen weights.
  func sharing(of processes: Int) -> Int { memory.shard == .base ? processes : 1 }

  /// The processes that share the frozen weights; nil if each has all of them.
  package func shards(of group: ProcessGroup) -> (any ShardGroup)? {
    sharing(of: group.size) > 1 ? ProcessShards(group) : nil
  }
}

/// The processes of a run as those that share its frozen weights.
package final class ProcessShards: ShardGroup {
  private let group: ProcessGroup

  package init(_ group: ProcessGroup) { self.group = group }

  package var rank: Int { group.rank }
  package var size: Int { group.size }

  package func beginGather(
    _ share: Tensor, into output: Tensor, block: Int
  ) -> any PendingShards {
    let gather = orExit(group) { () throws(ProcessGroupError) in
      try group.beginAllGather(share, into: output, "the gather of block \(block)'s weights")
    }
    return Pending(gather, of: group, isOnHost: output.device == .cpu)
  }

  private final class Pending: PendingShards {
    private let gather: PendingGather
    /// Stays until the gather is over.
    private let group: ProcessGroup
    private var isOver: Bool

    /// - Parameter isOnHost: the engine keeps the memory of a gather between hosts by itself.
    init(_ gather: PendingGather, of group: ProcessGroup, isOnHost: Bool) {
      self.gather = gather
      self.group = group
      isOver = isOnHost
    }

    func wait() {
      orExit(group) { () throws(ProcessGroupError) in try gather.wait() }
      isOver = true
    }

    /// Freed memory of a GPU is used again by work of the current stream.
    deinit {
      guard !isOver else { return }
      do { try gather.wait() } catch {
        // The run has ended with this error, or does so at its next collective.
      }
    }
  }
}

/// The result of a collective within a call of the network. A network does not throw, so nothing
/// can be unwound: where processes are lost, this one ends with a message on standard error.
///
/// Files are replaced as a whole, so checkpoints saved earlier stay intact.
private func orExit<Result>(
  _ group: ProcessGroup, _ collective: () throws(ProcessGroupError) -> Result
) -> Result {
  do throws(ProcessGroupError) {
    return try collective()
  } catch {
    if error.isSaid(by: group.rank) { StandardStream.writeError("\nerror: \(error)\n") }
    group.letOthersLearn(error)
    StandardStream.end(status: 1)
  }
}
