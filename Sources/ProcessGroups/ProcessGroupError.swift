/// Why processes cannot compute together.
package enum ProcessGroupError: Error, Equatable, Sendable {
  /// The processes have not met. `reason` is libtorch's text.
  case notJoined(rank: Int, size: Int, address: String, reason: String)
  /// NCCL cannot be used, which moves the tensors of GPUs. `reason` is libtorch's text.
  case noNCCL(reason: String)
  /// Processes ended or stand still. `peers` is empty where none was found.
  case lost(peers: [Peer], during: String, reason: String)
  /// Processes live and have not come to a collective for which the others wait.
  case late(peers: [Peer], during: String, reason: String)
  /// The store through which processes meet does not answer.
  case storeLost(address: String, holder: String, during: String, reason: String)

  /// A process of the run.
  package struct Peer: Equatable, Sendable {
    package let rank: Int
    /// Its host and process number, such as `node2, process 4711`.
    package let place: String

    package init(rank: Int, place: String) {
      self.rank = rank
      self.place = place
    }
  }

  /// Whether a process says it: what all find, rank 0 says for all, unless it is the one that is
  /// lost or late.
  package func isSaid(by rank: Int) -> Bool {
    switch self {
    case .notJoined, .storeLost: true
    // Without a lost process the failure is this one's.
    case .lost(let peers, _, _): rank == 0 || peers.isEmpty || peers.contains { $0.rank == 0 }
    case .late(let peers, _, _): rank == 0 || peers.contains { $0.rank == 0 }
    case .noNCCL: rank == 0
    }
  }

  /// The ranks that are lost, empty where some are late; nil where no process was found, or where
  /// this is no failure of a collective.
  var lostRanks: [Int]? {
    switch self {
    case .lost(let peers, _, _): peers.isEmpty ? nil : peers.map(\.rank)
    case .late: []
    case .notJoined, .noNCCL, .storeLost: nil
    }
  }
}

extension ProcessGroupError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notJoined(let rank, let size, let address, let reason):
      "rank \(rank) of \(size) could not join the others at \(address): \(reason). "
        + (reason.contains("connectFullMesh")
          ? "The processes have met there, but one does not reach another's own address: set "
            + "GLOO_SOCKET_IFNAME on every host to its interface in their network; 'tempflow "
            + "doctor' lists the interfaces"
          : "Start all \(size) processes, with the same MASTER_ADDR and MASTER_PORT, an address "
            + "that every host reaches and a free port; 'tempflow doctor' tries the address")
    case .noNCCL(let reason):
      "\(reason); 'tempflow doctor' says what it finds, and device: cpu needs no NCCL"
    case .lost(let peers, let step, let reason):
      peers.isEmpty
        ? "\(step) failed, though every process answers: \(reason)"
        : Self.list(peers) + " no longer "
          + (peers.count == 1 ? "answers" : "answer") + ": killed, stopped or cut off (during "
          + "\(step): \(reason))"
    case .late(let peers, let step, let reason):
      Self.list(peers) + " did not come to \(step), and "
        + (peers.count == 1 ? "is" : "are") + " alive: \(reason). A reward, a disk or a GPU that "
        + "is slower there can take longer than the time-out, which --timeout of train sets"
    case .storeLost(let address, let holder, let step, let reason):
      "\(holder) at \(address) no longer answers: killed, stopped or cut off (during \(step): "
        + "\(reason))"
    }
  }

  private static func list(_ peers: [Peer]) -> String {
    let shown = peers.prefix(8).map { "\($0.rank) (\($0.place))" }
    return (peers.count == 1 ? "rank " : "ranks ") + shown.joined(separator: ", ")
      + (peers.count > shown.count ? " and \(peers.count - shown.count) more" : "")
  }
}
