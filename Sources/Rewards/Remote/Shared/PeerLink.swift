import Foundation
import Synchronization

/// The connection to local rank 0, which owns the child programs of this host.
final class PeerLink: Sendable {
  private typealias Waiting = CheckedContinuation<Result<[UInt8], RemoteFault>, Never>

  private struct State {
    /// Nil before the connection.
    var socket: LineSocket?
    /// Lines for the time after the connection, in order.
    var unsent: [(number: Int, message: SharedMessage)] = []
    /// Request number -> its caller.
    var waiting: [Int: Waiting] = [:]
    var lastNumber = 0
    /// Since when requests have waited, or the last sign of life from the owner.
    var quietSince = SuspendingClock.now
    /// Why no request has an answer any more.
    var end: RemoteFault?
    /// The owner's rank and process, once it has introduced itself.
    var owner = "local rank 0 of this host"
  }

  private let rendezvous: Rendezvous
  private let label: String
  private let rank: Int
  private let timeout: Double
  private let state = Mutex(State())

  /// The owner sends a sign of life every second; a shorter silence may be a loaded machine.
  private static let shortestSilence = 5.0

  /// - Parameters:
  ///   - label: of the child programs.
  ///   - rank: of this process.
  ///   - timeout: seconds that a request waits for the owner to listen, or for a sign of life.
  init(_ rendezvous: Rendezvous, label: String, rank: Int, timeout: Double) {
    self.rendezvous = rendezvous
    self.label = label
    self.rank = rank
    self.timeout = timeout
  }

  /// Connects and reads answers, on a thread of its own.
  func start() {
    let thread = Thread { self.run() }
    thread.name = "reward answers"
    thread.start()
  }

  /// Ends the connection.
  func close() { end(.transient(.unreachable, detail: "\(label) is no longer wanted")) }

  /// Sends a request and returns its answer, or the fault.
  ///
  /// In a canceled task the owner confirms first that the images are no longer read.
  func ask(_ request: ScoringRequest) async -> Result<[UInt8], RemoteFault> {
    let number = state.withLock { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        send(number, request, continuation)
        // The task may have been canceled before there was anything to cancel.
        if Task.isCancelled { cancel(number) }
      }
    } onCancel: {
      cancel(number)
    }
  }

  private func send(_ number: Int, _ request: ScoringRequest, _ continuation: Waiting) {
    let bytes: [UInt8]
    do throws(RemoteFault) {
      bytes = try request.bytes()
    } catch {
      continuation.resume(returning: .failure(error))
      return
    }
    let message = SharedMessage.ask(
      number: number, count: request.count, identifier: request.identifier, request: bytes)
    let end = state.withLock { state -> RemoteFault? in
      if let end = state.end { return end }
      if state.waiting.isEmpty { state.quietSince = .now }
      state.waiting[number] = continuation
      if let socket = state.socket {
        socket.send(message)
      } else {
        state.unsent.append((number, message))
      }
      return nil
    }
    if let end { continuation.resume(returning: .failure(end)) }
  }

  private func cancel(_ number: Int) {
    let unsent = state.withLock { state -> Waiting? in
      if let socket = state.socket {
        if state.waiting[number] != nil { socket.send(.cancel(number: number)) }
        return nil
      }
      state.unsent.removeAll { $0.number == number }
      return state.waiting.removeValue(forKey: number)
    }
    unsent?.resume(returning: .failure(.unwanted))
  }

  private func run() {
    guard let socket = connect() else { return }
    socket.readLines(take, pause: isAlive)
    let owner = state.withLock { $0.owner }
    end(.permanent(detail: "\(owner), which runs \(label) for the processes of this host, ended"))
  }

  /// Tries until the owner listens; nil when this object is closed, or has waited too long.
  private func connect() -> LineSocket? {
    while state.withLock({ $0.end == nil }) {
      if let descriptor = rendezvous.connect() {
        let socket = LineSocket(descriptor)
        socket.send(.hello(rank: rank, process: Int(getpid())))
        return state.withLock { state in
          guard state.end == nil else { return nil }
          state.socket = socket
          state.quietSince = .now
          for (_, message) in state.unsent { socket.send(message) }
          state.unsent = []
          return socket
        }
      }
      if silence > timeout {
        end(
          .permanent(
            detail: "local rank 0 of this host, which runs \(label) for its processes, has not "
              + "listened at \(rendezvous.path) for \(timeout) s"))
      }
      usleep(20_000)
    }
    return nil
  }

  /// Seconds that requests have waited without a sign of life; 0 without any.
  private var silence: Double {
    state.withLock { state in
      state.waiting.isEmpty ? 0 : state.quietSince.duration(to: .now) / .seconds(1)
    }
  }

  /// Ends the link after a long silence.
  private func isAlive() -> Bool {
    let limit = max(timeout, Self.shortestSilence)
    guard silence > limit else { return true }
    let owner = state.withLock { $0.owner }
    end(
      .permanent(
        detail: "\(owner), which runs \(label) for the processes of this host, has given no sign "
          + "of life for \(limit) s"))
    return false
  }

  /// Hands an answer to its request.
  private func take(_ line: [UInt8]) -> Bool {
    guard let message = SharedMessage(line) else { return false }
    let waiting = state.withLock { state -> Waiting? in
      state.quietSince = .now
      switch message {
      case .hello(let rank, let process): state.owner = "rank \(rank) (process \(process))"
      case .answer(let number, _), .fault(let number, _):
        return state.waiting.removeValue(forKey: number)
      case .ask, .cancel, .alive: break
      }
      return nil
    }
    switch message {
    case .answer(_, let answer): waiting?.resume(returning: .success(answer))
    case .fault(_, let fault): waiting?.resume(returning: .failure(fault))
    case .hello, .ask, .cancel, .alive: break
    }
    return true
  }

  /// Fails all requests, and those to come; the first end is the one that counts.
  private func end(_ fault: RemoteFault) {
    let (waiting, socket, end) = state.withLock { state in
      let end = state.end ?? fault
      state.end = end
      defer { state.waiting = [:] }
      return (Array(state.waiting.values), state.socket, end)
    }
    socket?.close()
    for continuation in waiting { continuation.resume(returning: .failure(end)) }
  }
}
