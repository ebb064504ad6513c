import Dispatch
import Synchronization

/// One child process that answers one request per line. It is started for the first request and
/// after its death, and killed when an answer takes too long.
final class ChildWorker: RemoteWorker {
  let label: String
  private let command: [String]
  private let directory: String?
  private let maximumBytes: Int
  private let notice: @Sendable (String) -> Void
  private let queue = DispatchQueue(label: "tempflow.child")
  private let state = Mutex(State())
  private let answers: Answers

  private struct State {
    var child: ChildProcess?
  }

  /// Whether any child of a command has answered, which all of its workers share: before that, a
  /// child that ends will hardly do better when it is started again.
  final class Answers: Sendable {
    private let found = Atomic(false)

    var hasOne: Bool { found.load(ordering: .relaxed) }
    func note() { found.store(true, ordering: .relaxed) }
  }

  /// - Parameters:
  ///   - answers: of all workers with this command.
  ///   - maximumBytes: of an answer.
  ///   - notice: called with every line of the child's standard error.
  init(
    command: [String], directory: String?, answers: Answers, maximumBytes: Int,
    notice: @escaping @Sendable (String) -> Void
  ) {
    precondition(!command.isEmpty)
    self.command = command
    self.directory = directory
    self.answers = answers
    self.maximumBytes = maximumBytes
    self.notice = notice
    label = command.joined(separator: " ")
  }

  func ask(_ request: [UInt8], timeout: Double) async throws(RemoteFault) -> [UInt8] {
    let result = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(
          returning: self.state.withLock { self.exchange(request, timeout: timeout, &$0) })
      }
    }
    return try result.get()
  }

  func restart() async {
    // The end of a child is waited for on the queue.
    await withCheckedContinuation { continuation in
      queue.async {
        self.state.withLock { $0.child = nil }
        continuation.resume()
      }
    }
  }

  private func exchange(
    _ request: [UInt8], timeout: Double, _ state: inout State
  ) -> Result<[UInt8], RemoteFault> {
    let child: ChildProcess
    do throws(ChildProcess.StartFailure) {
      if let running = state.child {
        child = running
      } else {
        child = try ChildProcess(command, directory: directory, longestLine: maximumBytes)
      }
    } catch {
      return .failure(.permanent(detail: "\(label) cannot be started: \(error.reason)"))
    }
    state.child = nil
    var lastWords: [String] = []
    let outcome = child.exchange(request, seconds: timeout) { line in
      let line = line.oneLine(limit: 500)
      if line.isEmpty { return }
      notice(line)
      lastWords = lastWords.suffix(4) + [line]
    }
    switch outcome {
    case .answer(let line):
      state.child = child
      answers.note()
      return .success(line)
    case .timedOut:
      _ = child.end()
      return .failure(
        .transient(.timeout, detail: "\(label) gave no answer in \(timeout) s and was killed"))
    case .tooLong:
      _ = child.end()
      return .failure(
        .transient(.tooLarge, detail: "\(label) answers with more than \(maximumBytes) bytes"))
    case .ended:
      let detail = "\(label) ended (\(child.end(grace: 0.2)))"
      if answers.hasOne { return .failure(.transient(.crashed, detail: detail)) }
      return .failure(
        .permanent(
          detail: "\(detail) before it answered; its last words: "
            + (lastWords.isEmpty ? "none" : lastWords.joined(separator: " | "))))
    }
  }
}
