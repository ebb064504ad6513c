import Foundation

/// Runs the jobs of actors that own libtorch networks, one after another, on one thread of its own.
///
/// libtorch's modes are state of the thread, and every thread that computes creates its own team of
/// processor threads, while Swift's shared pool moves an actor from thread to thread. An actor
/// returns the executor as its own:
///
///     actor Scorer {
///       private let executor = NetworkExecutor.shared
///       nonisolated var unownedExecutor: UnownedSerialExecutor {
///         executor.asUnownedSerialExecutor()
///       }
///     }
package final class NetworkExecutor: SerialExecutor {
  /// The executor of every reward network. The networks share a machine and run in turn.
  package static let shared = NetworkExecutor()

  private let queue = JobQueue()

  /// Starts the thread. It ends when the executor is released and its jobs are done.
  package init() {
    let thread = Thread { [queue] in
      while queue.runNext() {}
    }
    thread.name = "networks"
    thread.start()
  }

  deinit { queue.close() }

  package func enqueue(_ job: consuming ExecutorJob) {
    queue.add(UnownedJob(job), of: self)
  }
}

/// Jobs that wait for the thread. All state is guarded by `condition`.
private final class JobQueue: @unchecked Sendable {
  private let condition = NSCondition()
  /// Each with its executor, which lives at least as long as its last job.
  private var jobs: [(job: UnownedJob, executor: NetworkExecutor)] = []
  private var isClosed = false

  func add(_ job: UnownedJob, of executor: NetworkExecutor) {
    condition.withLock { jobs.append((job, executor)) }
    condition.signal()
  }

  func close() {
    condition.withLock { isClosed = true }
    condition.signal()
  }

  /// Waits for a job and runs it; false once the queue is closed and empty.
  func runNext() -> Bool {
    guard let next = take() else { return false }
    next.job.runSynchronously(on: next.executor.asUnownedSerialExecutor())
    return true
  }

  private func take() -> (job: UnownedJob, executor: NetworkExecutor)? {
    condition.withLock {
      while jobs.isEmpty && !isClosed { condition.wait() }
      return jobs.isEmpty ? nil : jobs.removeFirst()
    }
  }
}
