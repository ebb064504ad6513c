import Foundation
import Synchronization

/// Accepts the other processes of a host, on a thread of its own.
final class WorkerListener: Sendable {
  private struct State {
    /// The listening socket; nil once every process has connected.
    var descriptor: CInt?
    var connections: [WorkerConnection] = []
  }

  private let rendezvous: Rendezvous
  private let pool: WorkerPool
  private let rank: Int
  private let others: Int
  private let state: Mutex<State>

  /// Listens at a rendezvous until all others have connected.
  ///
  /// - Parameters:
  ///   - rank: of this process.
  ///   - others: the number of other processes of this host.
  init(
    _ rendezvous: Rendezvous, _ pool: WorkerPool, rank: Int, others: Int
  ) throws(Rendezvous.Failure) {
    self.rendezvous = rendezvous
    self.pool = pool
    self.rank = rank
    self.others = others
    state = Mutex(State(descriptor: try rendezvous.listen()))
    let thread = Thread { while self.acceptNext() {} }
    thread.name = "rewards"
    thread.start()
  }

  /// Ends all connections. The other processes see it as the end of this one.
  func close() {
    let connections = state.withLock { state in
      stopListening(&state)
      defer { state.connections = [] }
      return state.connections
    }
    for connection in connections { connection.close() }
  }

  /// Waits a moment for a connection; false when no further one is to come.
  private func acceptNext() -> Bool {
    guard let descriptor = state.withLock({ $0.descriptor }) else { return false }
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let isReady = poll(&wait, 1, 100) > 0
    var hasFailed = false
    let goesOn = state.withLock { state in
      // Another thread may have closed the listener meanwhile.
      guard let descriptor = state.descriptor else { return false }
      if isReady, let accepted = Rendezvous.accept(descriptor) {
        let connection = WorkerConnection(LineSocket(accepted), pool)
        connection.start(rank: rank)
        state.connections.append(connection)
      } else {
        hasFailed = isReady
      }
      guard state.connections.count == others else { return true }
      stopListening(&state)
      return false
    }
    // As with too many open files. The connection waits.
    if hasFailed { usleep(100_000) }
    return goesOn
  }

  private func stopListening(_ state: inout State) {
    guard let descriptor = state.descriptor else { return }
    Foundation.close(descriptor)
    state.descriptor = nil
    rendezvous.remove()
  }
}
