import Foundation
import TestSupport
import Testing

/// A process that no longer answers ends the others, which name it.
@Suite(.serialized) struct LostProcessTests {
  /// A run in which one process gets a signal after the first epoch.
  private struct Run {
    let processes: TrainingProcesses
    let victim: Int

    /// - Parameter timeout: in seconds.
    init(_ count: Int, victim: Int, timeout: Int, _ task: SmallTask) throws {
      self.victim = victim
      processes = try task.start(count, "run-\(victim)", ["--timeout", "\(timeout)"])
    }

    /// Expects that every other process fails before `deadline`, and that the messages name this
    /// one alone.
    func expectLoss(before deadline: ContinuousClock.Instant) throws {
      let outcome = try processes.wait(besides: victim)
      #expect(ContinuousClock.now < deadline)
      for (rank, status) in outcome.statuses.enumerated() where rank != victim {
        #expect(status == 1, "\(outcome.text)")
      }
      let named = outcome.errors.joined().matches(of: #/rank (\d+) \(/#).map(\.1)
      #expect(!named.isEmpty && named.allSatisfy { $0 == "\(victim)" }, "\(outcome.text)")
      #expect(outcome.count(of: " no longer answers: killed, stopped or cut off") == named.count)
    }
  }

  @Test(arguments: [SIGKILL, SIGSTOP])
  func `a process that is killed or stopped is named within the time-out`(_ signal: Int32) throws {
    try withTemporaryFolder { folder in
      let task = try SmallTask(["epochs": "1000", "checkpoints": "{every: 1}"], in: folder)
      // A closed connection is noticed long before the time-out.
      let timeout = signal == SIGKILL ? 600 : 12
      let runs = try [
        Run(3, victim: 1, timeout: timeout, task), Run(2, victim: 0, timeout: timeout, task),
      ]
      for run in runs {
        try run.processes.wait(forEpoch: 1, of: "run-\(run.victim)", in: task)
        run.processes.send(signal, to: run.victim)
      }
      // A closed connection shows at once; a search and the wait for the others take some seconds.
      let patience = (signal == SIGKILL ? 0 : timeout) + 60
      let deadline = ContinuousClock.now + .seconds(patience)
      for run in runs { try run.expectLoss(before: deadline) }
    }
  }
}
