package import Foundation
internal import Synchronization

/// Where a program is in its life.
private final class Life: Sendable {
  enum State { case running, killed, ended }

  let state = Mutex(State.running)
}

/// A program that is run once, without input, for its output.
package struct OneShotProcess: Sendable {
  /// Why there is no output; completes a sentence that begins with the program's name.
  package struct Failure: Error {
    package let reason: String
  }

  private let program: String
  private let arguments: [String]
  private let environment: [String: String]

  /// - Parameter environment: variables beside this process's own.
  package init(_ program: String, _ arguments: [String], environment: [String: String] = [:]) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
  }

  /// Runs the program to its end, or kills it after `timeout` seconds.
  ///
  /// The output goes to a file, since a full pipe would block the program.
  ///
  /// - Parameter folder: an existing folder for the output.
  package func run(in folder: URL, timeout: Double) async -> Result<String, Failure> {
    let file = folder.appending(path: "output")
    do {
      try Data().write(to: file)
      let output = try FileHandle(forWritingTo: file)
      let ended = try await run(to: output, timeout: timeout)
      try output.close()
      if let failure = ended { return .failure(failure) }
      return .success(String(decoding: try Data(contentsOf: file), as: UTF8.self))
    } catch {
      return .failure(Failure(reason: "could not be started (\(error.localizedDescription))"))
    }
  }

  /// The failure of the program; nil for exit status 0.
  private func run(to output: FileHandle, timeout: Double) async throws -> Failure? {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    let ends = AsyncStream<Void>.makeStream()
    let life = Life()
    process.terminationHandler = { _ in
      life.state.withLock { if $0 == .running { $0 = .ended } }
      ends.continuation.finish()
    }
    try ChildProcess.starting.withLock { _ in try process.run() }
    let identifier = process.processIdentifier
    let deadline = Task {
      try await Task.sleep(for: .seconds(timeout))
      // After the reaping the number may belong to another process.
      life.state.withLock {
        guard $0 == .running else { return }
        kill(identifier, SIGKILL)
        $0 = .killed
      }
    }
    // The wait is an unstructured task, which the caller's cancellation does not end early.
    await Task { for await _ in ends.stream {} }.value
    deadline.cancel()
    guard process.terminationReason == .exit else {
      let isLate = life.state.withLock { $0 == .killed }
      return Failure(
        reason: isLate ? "took too long" : "was ended by signal \(process.terminationStatus)")
    }
    return process.terminationStatus == 0
      ? nil : Failure(reason: "failed with status \(process.terminationStatus)")
  }
}
