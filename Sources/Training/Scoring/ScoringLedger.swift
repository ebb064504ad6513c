internal import Dispatch
internal import Rewards
internal import Synchronization

/// The pieces of a queue and what has become of them, shared by the thread that makes images and
/// the tasks that score them. Every piece is waiting, under way, scored, or has been taken back.
final class ScoringLedger: Sendable {
  private struct State {
    /// Pieces that have not begun, in their order.
    var waiting: [ScoringPiece] = []
    var scored: [ScoredPiece] = []
    /// Pixels of images that have no score yet.
    var bytes = 0
    var underWay = 0
    var busySeconds = 0.0
    /// When work began after a time without.
    var busySince: ContinuousClock.Instant?
    /// When a piece was done, or work began.
    var quietSince = ContinuousClock.now
    var failure: RewardError?
    /// Waiting pieces do not begin, and their bytes stay counted.
    var isCancelled = false
    /// No task scores any more.
    var isOver = false

    var hasStopped: Bool { isCancelled || failure != nil }

    mutating func add(_ piece: ScoringPiece) {
      waiting.append(piece)
      bytes += piece.byteCount
    }
  }

  private let state = Mutex(State())
  private let byteLimit: Int
  /// Signaled whenever pieces leave.
  private let changed = DispatchSemaphore(value: 0)

  /// - Parameter byteLimit: most bytes of images that wait for their scores.
  init(byteLimit: Int) { self.byteLimit = byteLimit }

  /// Adds a piece, once there is room for it.
  ///
  /// - Throws: the error of a piece that has failed meanwhile.
  func enter(_ piece: ScoringPiece) throws(RewardError) {
    let bytes = piece.byteCount
    while true {
      let (fits, failure) = state.withLock { state in
        let fits =
          state.isCancelled || state.bytes == 0 || state.bytes + bytes <= byteLimit
        if fits, state.failure == nil { state.add(piece) }
        return (fits, state.failure)
      }
      if let failure { throw failure }
      if fits { return }
      changed.wait()
    }
  }

  /// Adds a piece at once.
  func enterWithoutWaiting(_ piece: ScoringPiece) {
    state.withLock { $0.add(piece) }
  }

  /// The next piece, which is under way from now on; nil when none waits, or after a failure.
  func begin() -> ScoringPiece? {
    state.withLock { state in
      guard !state.hasStopped, !state.waiting.isEmpty else { return nil }
      let piece = state.waiting.removeFirst()
      if state.underWay == 0 {
        state.quietSince = .now
        state.busySince = state.quietSince
      }
      state.underWay += piece.inputs.count
      return piece
    }
  }

  /// Notes that no task scores any more.
  func finish() { state.withLock { $0.isOver = true } }

  var isOver: Bool { state.withLock { $0.isOver } }

  /// Notes that a piece has its scores, or why it has none.
  func end(_ piece: ScoringPiece, _ result: Result<ScoredPiece, RewardError>) {
    state.withLock { state in
      state.bytes -= piece.byteCount
      state.underWay -= piece.inputs.count
      state.quietSince = .now
      if state.underWay == 0, let start = state.busySince {
        state.busySeconds += start.duration(to: state.quietSince) / .seconds(1)
        state.busySince = nil
      }
      switch result {
      case .success(let scored): state.scored.append(scored)
      case .failure(let error): state.failure = state.failure ?? error
      }
    }
    changed.signal()
  }

  /// Removes pieces that have not begun and may move, those first that would begin last.
  ///
  /// - Parameter count: at most.
  func takeBack(_ count: Int) -> [ScoringPiece] {
    let taken = state.withLock { state in
      var taken: [ScoringPiece] = []
      while taken.count < count, let index = state.waiting.lastIndex(where: \.isMovable) {
        taken.append(state.waiting.remove(at: index))
      }
      state.bytes -= taken.reduce(0) { $0 + $1.byteCount }
      return taken
    }
    changed.signal()
    return taken
  }

  /// The scored pieces by their keys.
  var scored: [ScoredPiece] { state.withLock { $0.scored }.sorted { $0.key < $1.key } }

  var status: ScoringStatus {
    let (state, now) = state.withLock { ($0, ContinuousClock.now) }
    var status = ScoringStatus()
    status.movable = state.waiting.filter(\.isMovable).map(\.inputs.count)
    status.underWay = state.underWay
    status.unscored = state.underWay + state.waiting.reduce(0) { $0 + $1.inputs.count }
    status.scored = state.scored.reduce(0) { $0 + $1.samples.count }
    status.busySeconds = state.busySeconds
    if let start = state.busySince {
      status.busySeconds += start.duration(to: now) / .seconds(1)
      status.quietSeconds = state.quietSince.duration(to: now) / .seconds(1)
    }
    status.room = max(0, byteLimit - state.bytes)
    status.hasFailed = state.failure != nil
    return status
  }

  /// Whether nothing waits or is under way, or a piece has failed.
  var isSettled: Bool {
    state.withLock { $0.hasStopped || ($0.waiting.isEmpty && $0.underWay == 0) }
  }

  func cancel() {
    state.withLock { $0.isCancelled = true }
    changed.signal()
  }
}
