/// Why processes cannot compute together.
package enum ProcessGroupError: Error, Equatable, Sendable {
  /// The processes have not met. `reason` is libtorch's text.
  case notJoined(rank: Int, size: Int, address: String, reason: String)
  /// NCCL cannot be used, which moves the tensors of GPUs. `reason` is libtorch's text.
  case noNCCL(reason: String)
  /// Processes ended or stand still. `peers` is empty where none was found.
  case lost(peers: [Peer], during: String, reason: String)
  /// The store through which processes meet does not answer.
  case storeLost(address: String, holder: String, during: String, reason: String)

  /// A process of the run.
  package struct Peer: Equatable, Sendable {
    package let rank: Int
    /// Its host and process number, such as `node2, process 4711`.
    package let place: String
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
