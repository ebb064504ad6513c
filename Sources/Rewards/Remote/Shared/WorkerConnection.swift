import Foundation
import Synchronization

/// The connection to one other process of this host, whose requests the owner of the child programs
/// answers.
final class WorkerConnection: Sendable {
  private let socket: LineSocket
  private let pool: WorkerPool
  /// Request number -> the work for it.
  private let tasks = Mutex<[Int: Task<Void, Never>]>([:])

  init(_ socket: LineSocket, _ pool: WorkerPool) {
    self.socket = socket
    self.pool = pool
  }

  /// Introduces this process and reads requests, on a thread of its own.
  ///
  /// - Parameter rank: of this process.
  func start(rank: Int) {
    socket.send(.hello(rank: rank, process: Int(getpid())))
    let thread = Thread { self.run() }
    thread.name = "reward requests"
    thread.start()
  }

  /// Ends the connection.
  func close() { socket.close() }

  /// Reads until the connection ends; the requests under way are dropped then.
  private func run() {
    var peer: Int?
    var lastSign = ContinuousClock.now
    socket.readLines { line in
      switch (SharedMessage(line), peer) {
      case (.hello(let rank, _), nil): peer = rank
      case (.ask(let number, let count, let identifier, let request), let peer?):
        serve(
          number, ScoringRequest(identifier: identifier, count: count) { request }, from: peer)
      case (.cancel(let number), _?): tasks.withLock { $0[number] }?.cancel()
      // A process of another version.
      default: return false
      }
      return true
    } pause: {
      if lastSign.duration(to: .now) >= .seconds(1) {
        socket.sendSign()
        lastSign = .now
      }
      return true
    }
    socket.close()
    for task in tasks.withLock({ $0.values }) { task.cancel() }
  }

  private func serve(_ number: Int, _ request: ScoringRequest, from peer: Int) {
    tasks.withLock { tasks in
      tasks[number] = Task {
        switch await pool.answer(request, from: peer) {
        case .success(let answer): socket.send(.answer(number: number, answer))
        case .failure(let fault): socket.send(.fault(number: number, fault))
        }
        self.tasks.withLock { $0[number] = nil }
      }
    }
  }
}
