/// Something outside this process that answers requests: a server, or a child process.
protocol RemoteWorker: Sendable {
  /// What messages call it: an address or a command.
  var label: String { get }
  /// Sends a request and returns the whole answer, or fails within `timeout` seconds.
  func ask(_ request: [UInt8], timeout: Double) async throws(RemoteFault) -> [UInt8]
  /// Begins anew after an answer that made no sense.
  func restart() async
}

/// Workers that share the requests of one reward.
///
/// The worker with the fewest requests under way gets the next one. One that fails is left alone
/// for a while, longer each time, and then tried again with a single request. When no worker has
/// given a good answer for `patience` seconds, waiting requests fail at once instead of one after
/// the other, and go on failing until a trial succeeds.
actor RemoteWorkers {
  private struct State {
    var underWay = 0
    /// Faults since its last good answer.
    var faults = 0
    /// Counts its rests, so that the end of an earlier one does not end a later one.
    var rests = 0
    var isResting = false
  }

  /// What became of a request.
  enum Outcome: Equatable { case good, failed(RemoteFault), abandoned }

  private let workers: [any RemoteWorker]
  private let limit: Int
  private let limitPerWorker: Int
  private let policy: RetryPolicy
  private let notice: @Sendable (String) -> Void
  private var states: [State]
  /// Faults of single requests that were told already.
  private var shown: Set<RemoteFault.Reason> = []
  private var waiting: [CheckedContinuation<Void, Never>] = []
  /// When the present row of faults began, and when its last one was.
  private var outage: (start: ContinuousClock.Instant, last: ContinuousClock.Instant)?

  /// - Parameters:
  ///   - limit: requests under way at once, over all workers.
  ///   - notice: told when a worker stops or resumes answering, one line of text each.
  init(
    _ workers: [any RemoteWorker], limit: Int, limitPerWorker: Int = .max, policy: RetryPolicy,
    notice: @escaping @Sendable (String) -> Void
  ) {
    precondition(!workers.isEmpty && limit > 0 && limitPerWorker > 0)
    self.workers = workers
    self.limit = limit
    self.limitPerWorker = limitPerWorker
    self.policy = policy
    self.notice = notice
    states = Array(repeating: State(), count: workers.count)
  }

  /// Sends a request until it is answered well or there is no more use in it.
  ///
  /// In a task that is cancelled it ends early, with a fault that says nothing.
  ///
  /// - Parameter read: takes the answer of `sender` apart; what it throws counts as a fault of the
  ///   attempt.
  /// - Throws: the fault that ended it.
  func ask<Answer: Sendable>(
    _ request: [UInt8], read: @Sendable ([UInt8], _ sender: String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    var failures = 0
    var awaySince: ContinuousClock.Instant?
    while true {
      guard !Task.isCancelled, let index = await acquire() else {
        throw .transient(.unreachable, detail: "no answer for \(policy.outageTimeout) s")
      }
      // Cancelled while it waited for a worker.
      if Task.isCancelled {
        release(index, .abandoned)
        throw .transient(.unreachable, detail: "no longer wanted")
      }
      do throws(RemoteFault) {
        let answer = try await workers[index].ask(request, timeout: policy.timeout)
        let value = try read(answer, workers[index].label)
        release(index, .good)
        return value
      } catch {
        if Task.isCancelled {
          release(index, .abandoned)
          throw error
        }
        if case .transient(.badAnswer, _, _) = error { await workers[index].restart() }
        release(index, .failed(error))
        guard case .transient(let reason, _, _) = error, reason.isWorthRetrying else { throw error }
        if reason.isOutage {
          let since = awaySince ?? .now
          awaySince = since
          if since.duration(to: .now) > .seconds(policy.outageTimeout) { throw error }
        } else {
          failures += 1
          if failures > policy.retries { throw error }
        }
      }
    }
  }

  /// Tells of a trouble with single samples, once for each kind.
  func note(_ reason: RemoteFault.Reason, _ detail: String) {
    if shown.insert(reason).inserted { notice("\(detail); further ones are only counted") }
  }

  /// The worker for the next attempt, when there is one; nil when all have been away for too long.
  private func acquire() async -> Int? {
    while true {
      if states.reduce(0, { $0 + $1.underWay }) < limit {
        let ready = states.indices.filter { isReady(states[$0]) }
        if let index = ready.min(by: { states[$0].underWay < states[$1].underWay }) {
          states[index].underWay += 1
          return index
        }
      }
      if let outage, outage.start.duration(to: .now) > .seconds(policy.outageTimeout),
        states.allSatisfy(\.isResting)
      {
        return nil
      }
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  /// One that failed gets a single request, whose answer decides.
  private func isReady(_ state: State) -> Bool {
    !state.isResting && state.underWay < (state.faults > 0 ? 1 : limitPerWorker)
  }

  private func release(_ index: Int, _ outcome: Outcome) {
    states[index].underWay -= 1
    switch outcome {
    case .failed(.transient(let reason, let detail, let retryAfter)) where reason.isWorthRetrying:
      rest(index, detail: detail, retryAfter: retryAfter)
    case .failed(.transient(let reason, let detail, _)):
      note(reason, detail)
      recover(index)
    case .failed(.permanent), .abandoned:
      break
    case .good:
      recover(index)
    }
    wake()
  }

  private func recover(_ index: Int) {
    if states[index].faults > 0 { notice("\(workers[index].label) answers again") }
    states[index].faults = 0
    outage = nil
  }

  /// Leaves a worker alone for a while.
  private func rest(_ index: Int, detail: String, retryAfter: Double?) {
    let now = ContinuousClock.now
    // A later fault belongs to the same row unless nothing was asked for longer than faults take.
    let idle = policy.outageTimeout + policy.longestRest + policy.timeout
    if let outage, outage.last.duration(to: now) < .seconds(idle) {
      self.outage = (outage.start, now)
    } else {
      outage = (now, now)
    }
    if states[index].faults == 0 { notice("\(detail); trying again") }
    let doubled = policy.firstRest * Double(1 << min(states[index].faults, 20))
    let seconds = max(min(doubled, policy.longestRest), min(retryAfter ?? 0, policy.outageTimeout))
    states[index].faults += 1
    states[index].isResting = true
    states[index].rests += 1
    let number = states[index].rests
    Task { [weak self] in
      do { try await Task.sleep(for: .seconds(seconds)) } catch {}
      await self?.endRest(index, number)
    }
  }

  private func endRest(_ index: Int, _ number: Int) {
    guard states[index].rests == number else { return }
    states[index].isResting = false
    wake()
  }

  private func wake() {
    for continuation in waiting { continuation.resume() }
    waiting = []
  }
}
