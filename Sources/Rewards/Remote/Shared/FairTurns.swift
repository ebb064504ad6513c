import Synchronization

/// A number of places that members take and give back. A free place goes to the members that wait
/// in turn, however many requests each of them has.
package final class FairTurns: Sendable {
  private struct State {
    var free: Int
    /// Member -> its waiting requests, in order; no member has an empty list.
    var waiting: [Int: [CheckedContinuation<Void, Never>]] = [:]
    /// The members that wait; the first one has the next turn.
    var order: [Int] = []
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
  package func take(_ member: Int) async {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        guard state.free == 0 else {
          state.free -= 1
          return true
        }
        if state.waiting[member] == nil { state.order.append(member) }
        state.waiting[member, default: []].append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  /// Returns a place.
  package func give() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard let member = state.order.first, var requests = state.waiting[member] else {
        state.free += 1
        return nil
      }
      let next = requests.removeFirst()
      state.order.removeFirst()
      state.waiting[member] = requests.isEmpty ? nil : requests
      if !requests.isEmpty { state.order.append(member) }
      return next
    }
    next?.resume()
  }
}
