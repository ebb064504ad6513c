import Synchronization

/// A number of places that members take and give back. A free place goes to the members that wait
/// in turn, however many requests each of them has.
package final class FairTurns: Sendable {
  private struct State {
    var free: Int
    /// Member -> its waiting requests, in order; no member has an empty list.
    var waiting: [Int: [(number: Int, continuation: CheckedContinuation<Bool, Never>)]] = [:]
    /// The members that wait; the first one has the next turn.
    var order: [Int] = []
    /// The number of requests so far.
    var requests = 0

    /// Takes a waiting request out; nil when it does not wait any more.
    mutating func remove(_ number: Int, of member: Int) -> CheckedContinuation<Bool, Never>? {
      guard let index = waiting[member]?.firstIndex(where: { $0.number == number }) else {
        return nil
      }
      let removed = waiting[member]?.remove(at: index)
      if waiting[member]?.isEmpty == true {
        waiting[member] = nil
        order.removeAll { $0 == member }
      }
      return removed?.continuation
    }
  }

  private let state: Mutex<State>

  package init(places: Int) {
    precondition(places > 0)
    state = Mutex(State(free: places))
  }

  /// The number of requests that wait for a place.
  package var waitingCount: Int {
    state.withLock { $0.waiting.values.reduce(0) { $0 + $1.count } }
  }

  /// Waits for a place; ``give()`` returns it.
  ///
  /// - Returns: whether there is a place; none is taken in a cancelled task.
  package func take(_ member: Int) async -> Bool {
    let number = state.withLock { state in
      state.requests += 1
      return state.requests
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let taken = state.withLock { state -> Bool? in
          // The handler has run already.
          if Task.isCancelled { return false }
          guard state.free == 0 else {
            state.free -= 1
            return true
          }
          if state.waiting[member] == nil { state.order.append(member) }
          state.waiting[member, default: []].append((number, continuation))
          return nil
        }
        if let taken { continuation.resume(returning: taken) }
      }
    } onCancel: {
      state.withLock { $0.remove(number, of: member) }?.resume(returning: false)
    }
  }

  /// Returns a place.
  package func give() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard let member = state.order.first, var requests = state.waiting[member] else {
        state.free += 1
        return nil
      }
      let next = requests.removeFirst()
      state.order.removeFirst()
      state.waiting[member] = requests.isEmpty ? nil : requests
      if !requests.isEmpty { state.order.append(member) }
      return next.continuation
    }
    next?.resume(returning: true)
  }
}
