/// A server or a child process that answers requests.
protocol RemoteWorker: Sendable {
  /// Its name in messages: an address or a command.
  var label: String { get }
  /// Sends a request and returns the whole answer, or fails within `timeout` seconds.
  func ask(_ request: [UInt8], timeout: Double) async throws(RemoteFault) -> [UInt8]
  /// Starts afresh after an answer that breaks the protocol.
  func restart() async
}

/// Workers that share the requests of one reward.
///
/// The worker with the fewest requests in flight gets the next one, of several the one with the
/// fewest faults. After a fault a worker rests, longer each time and, where there are others, at
/// least as long as the attempt took, and then gets a single request as a trial. When no worker has
/// given a valid answer for `RetryPolicy.outageTimeout` seconds, waiting requests fail at once,
/// until a trial succeeds.
actor RemoteWorkers {
  private struct State {
    var inFlight = 0
    /// Faults since the last valid answer.
    var faults = 0
    /// The number of rests so far; the end of an earlier rest does not end a later one.
    var rests = 0
    var isResting = false

    var load: (Int, Int) { (inFlight, faults) }
  }

  /// The end of one attempt.
  enum Outcome: Equatable { case good, failed(RemoteFault, after: Duration), abandoned }

  private let workers: [any RemoteWorker]
  private let limit: Int
  private let limitPerWorker: Int
  private let policy: RetryPolicy
  private let notice: @Sendable (String) -> Void
  private var states: [State]
  /// Faults of single requests that have been shown.
  private var shown: Set<RemoteFault.Reason> = []
  /// Requests that wait for a worker, in their order.
  private var waiting: [(number: Int, continuation: CheckedContinuation<Void, Never>)] = []
  /// The number of waits so far.
  private var waits = 0
  /// The times of the first and the last fault since the last valid answer.
  private var outage: (start: ContinuousClock.Instant, last: ContinuousClock.Instant)?
  /// Requests without an end.
  private var pending = 0
  /// When the last of them ended.
  private var idleSince: ContinuousClock.Instant?

  /// - Parameters:
  ///   - limit: the largest number of requests in flight, over all workers.
  ///   - notice: called with one line of text when a worker fails or answers again.
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

  /// Sends a request until it has a valid answer, or until no attempt is left.
  ///
  /// In a cancelled task it ends early, with any fault.
  ///
  /// - Parameters:
  ///   - request: makes the request, the same for every attempt. It is called once a worker is
  ///     free, so requests that wait take no room.
  ///   - read: reads the answer of `sender`; its error is a fault of the attempt.
  /// - Throws: the last fault.
  func ask<Answer: Sendable>(
    _ request: @Sendable () throws(RemoteFault) -> [UInt8],
    read: @Sendable ([UInt8], _ sender: String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    begin()
    defer { end() }
    var failures = 0
    var awaySince: ContinuousClock.Instant?
    while true {
      guard let index = await acquire() else {
        throw Task.isCancelled
          ? .unwanted
          : .transient(.unreachable, detail: "no answer for \(policy.outageTimeout) s")
      }
      let start = ContinuousClock.now
      do throws(RemoteFault) {
        let answer = try await workers[index].ask(try request(), timeout: policy.timeout)
        let value = try read(answer, workers[index].label)
        release(index, .good)
        return value
      } catch {
        if Task.isCancelled {
          release(index, .abandoned)
          throw error
        }
        if case .transient(.badAnswer, _, _) = error { await workers[index].restart() }
        release(index, .failed(error, after: start.duration(to: .now)))
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

  /// Begins a request. Time without any, as in the updates between two rollouts, is no time without
  /// an answer.
  private func begin() {
    pending += 1
    guard pending == 1, let outage, let idleSince else { return }
    let gap = idleSince.duration(to: .now)
    self.outage = (outage.start + gap, outage.last + gap)
  }

  private func end() {
    pending -= 1
    if pending == 0 { idleSince = .now }
  }

  /// Writes a message about a fault of single samples, once for each kind.
  func note(_ reason: RemoteFault.Reason, _ detail: String) {
    if shown.insert(reason).inserted { notice("\(detail); further ones are only counted") }
  }

  /// The worker for the next attempt; nil after an outage beyond the timeout, and in a cancelled
  /// task.
  private func acquire() async -> Int? {
    while true {
      if Task.isCancelled {
        // What woke this request may serve another.
        wake()
        return nil
      }
      if inFlight < limit {
        let ready = states.indices.filter { isReady(states[$0]) }
        if let index = ready.min(by: { states[$0].load < states[$1].load }) {
          states[index].inFlight += 1
          return index
        }
      }
      if isGivenUp { return nil }
      await wait()
    }
  }

  /// Whether no worker has answered for too long.
  private var isGivenUp: Bool {
    guard let outage, states.allSatisfy(\.isResting) else { return false }
    return outage.start.duration(to: .now) > .seconds(policy.outageTimeout)
  }

  /// Waits until a worker may be free, or the task is cancelled.
  private func wait() async {
    waits += 1
    let number = waits
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled {
          continuation.resume()
        } else {
          waiting.append((number, continuation))
        }
      }
    } onCancel: {
      Task { await self.endWait(number) }
    }
  }

  private func endWait(_ number: Int) {
    guard let index = waiting.firstIndex(where: { $0.number == number }) else { return }
    waiting.remove(at: index).continuation.resume()
  }

  /// After a fault a worker gets one request at a time.
  private func isReady(_ state: State) -> Bool {
    !state.isResting && state.inFlight < (state.faults > 0 ? 1 : limitPerWorker)
  }

  private func release(_ index: Int, _ outcome: Outcome) {
    states[index].inFlight -= 1
    switch outcome {
    case .failed(.transient(let reason, let detail, let retryAfter), after: let duration)
    where reason.isWorthRetrying:
      rest(index, detail: detail, retryAfter: retryAfter, after: duration)
    case .failed(.transient(let reason, let detail, _), after: _):
      note(reason, detail)
      recover(index)
    case .failed(.permanent, after: _), .abandoned:
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

  /// Starts a rest of a worker.
  private func rest(_ index: Int, detail: String, retryAfter: Double?, after attempt: Duration) {
    let now = ContinuousClock.now
    // A fault long after the last one starts a new outage.
    let idle = policy.outageTimeout + policy.longestRest + policy.timeout
    if let outage, outage.last.duration(to: now) < .seconds(idle) {
      self.outage = (outage.start, now)
    } else {
      outage = (now, now)
    }
    if states[index].faults == 0 { notice("\(detail); trying again") }
    let doubled = policy.firstRest * Double(1 << min(states[index].faults, 20))
    // A worker that hangs holds a request for the whole timeout, which others would have answered.
    let hung = workers.count > 1 ? attempt / .seconds(1) : 0
    let seconds = max(
      min(doubled, policy.longestRest), min(max(retryAfter ?? 0, hung), policy.outageTimeout))
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

  /// Wakes as many requests as there is room for, those first that have waited longest; all of them
  /// after an outage beyond the timeout.
  private func wake() {
    let woken = waiting.prefix(isGivenUp ? waiting.count : room)
    waiting.removeFirst(woken.count)
    for request in woken { request.continuation.resume() }
  }

  private var inFlight: Int { states.reduce(0) { $0 + $1.inFlight } }

  /// How many more requests can be in flight.
  private var room: Int {
    let most = limit - inFlight
    let free = states.filter(isReady).map {
      min(most, $0.faults > 0 ? 1 : limitPerWorker - $0.inFlight)
    }
    return min(most, free.reduce(0, +))
  }
}
