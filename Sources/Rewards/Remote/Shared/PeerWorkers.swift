import Synchronization

/// The child programs of a host for the processes that do not start them: local rank 0 does, and
/// answers the requests of the others (``SharedWorkers``).
final class PeerWorkers: RequestChannel {
  private let link: PeerLink
  /// Limits the requests in flight: one per child, and one for the time that an answer travels.
  private let turns: FairTurns
  private let label: String
  private let notice: @Sendable (String) -> Void
  /// Faults of single samples that have been shown.
  private let shown = Mutex<Set<RemoteFault.Reason>>([])

  /// Connects in the background.
  ///
  /// - Parameters:
  ///   - label: of the child programs.
  ///   - count: their number.
  ///   - timeout: seconds that a request waits for local rank 0 to listen, or for a sign of life.
  init(
    _ rendezvous: Rendezvous, label: String, count: Int, rank: Int, timeout: Double,
    notice: @escaping @Sendable (String) -> Void
  ) {
    link = PeerLink(rendezvous, label: label, rank: rank, timeout: timeout)
    turns = FairTurns(places: count + 1)
    self.label = label
    self.notice = notice
    link.start()
  }

  deinit { link.close() }

  func ask<Answer: Sendable>(
    _ request: ScoringRequest,
    read: @Sendable ([UInt8], _ sender: String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    guard await turns.take(0) else { throw .unwanted }
    defer { turns.give() }
    let answer = await link.ask(request)
    return try read(try answer.get(), label)
  }

  func note(_ reason: RemoteFault.Reason, _ detail: String) {
    if shown.withLock({ $0.insert(reason).inserted }) {
      notice("\(detail); further ones are only counted")
    }
  }
}
