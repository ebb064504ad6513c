/// Pieces that one process hands to another to score.
package struct PieceMove: Equatable, Sendable {
  package let sender: Int
  package let receiver: Int
  /// Pieces, those first that the sender would begin last.
  package let count: Int

  package init(sender: Int, receiver: Int, count: Int) {
    self.sender = sender
    self.receiver = receiver
    self.count = count
  }
}

/// Which pieces move from processes that are behind to those that have begun all of their own.
///
/// Pieces move one by one from the process that would end last to the one that would have the
/// scores first, as long as that gains more than what a move costs. A process sends or receives,
/// and a piece moves once at most.
package struct PieceMovePlan {
  /// Bytes per second of a network that is assumed when a move is weighed: 1 Gbit/s.
  private static let bandwidth = 125e6
  /// Seconds that a move must gain: several times the exchange of a few messages.
  private static let leastGain = 0.05
  /// Seconds of work up to which a process gets pieces; an idle one gets a piece that takes longer.
  /// What a process receives it keeps, and later plans know more.
  private static let workAhead = 1.0

  private struct Process {
    var movable: [Int]
    var remaining: Double
    /// Seconds per image.
    var pace: Double?
    var room: Int
    /// Whether all its images are under way.
    var isIdle: Bool
    /// Whether it has begun all its own pieces, and its pace is known or it had none.
    let isReceiver: Bool

    init(_ status: ScoringStatus) {
      movable = status.movable
      remaining = status.remaining
      pace = status.pace
      room = status.room
      isIdle = status.unscored == status.underWay
      isReceiver = status.movable.isEmpty && (status.scored > 0 || status.unscored == 0)
    }
  }

  private var processes: [Process]
  private let imageBytes: Int

  private init(_ statuses: [ScoringStatus], imageBytes: Int) {
    processes = statuses.map(Process.init)
    self.imageBytes = imageBytes
  }

  /// The moves for processes in these states, a pair of processes once at most, by sender and then
  /// receiver. Equal states result in equal moves.
  ///
  /// - Parameter imageBytes: the pixels of one image.
  package static func moves(_ statuses: [ScoringStatus], imageBytes: Int) -> [PieceMove] {
    var plan = PieceMovePlan(statuses, imageBytes: imageBytes)
    var counts: [Int: Int] = [:]
    while let (sender, receiver) = plan.next() {
      counts[sender * statuses.count + receiver, default: 0] += 1
    }
    return counts.sorted { $0.key < $1.key }.map { pair, count in
      PieceMove(
        sender: pair / statuses.count, receiver: pair % statuses.count, count: count)
    }
  }

  /// Moves one piece, if that gains enough.
  private mutating func next() -> (sender: Int, receiver: Int)? {
    let senders = processes.indices.filter { !processes[$0].movable.isEmpty }
    guard let sender = senders.max(by: { processes[$0].remaining < processes[$1].remaining }),
      let pace = processes[sender].pace, let size = processes[sender].movable.last
    else { return nil }
    /// Seconds that the piece takes a process, and seconds until it has the scores.
    func cost(_ receiver: Int) -> (piece: Double, end: Double) {
      let process = processes[receiver]
      let piece =
        (process.pace ?? pace) * Double(size) + Double(size * imageBytes) / Self.bandwidth
      return (piece, process.remaining + piece)
    }
    let receivers = processes.indices.filter { index in
      let process = processes[index]
      return process.isReceiver && process.room >= size * imageBytes
        && (process.isIdle || cost(index).end <= Self.workAhead)
    }
    guard let receiver = receivers.min(by: { cost($0).end < cost($1).end }) else { return nil }
    let (piece, end) = cost(receiver)
    guard processes[sender].remaining - end > max(piece, Self.leastGain) else { return nil }
    processes[sender].movable.removeLast()
    processes[sender].remaining -= pace * Double(size)
    processes[receiver].remaining = end
    processes[receiver].isIdle = false
    processes[receiver].room -= size * imageBytes
    return (sender, receiver)
  }
}
