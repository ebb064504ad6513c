import Foundation
import TestSupport
import Testing

/// Whatever stops one process stops all of a run, with one message and a sound checkpoint.
@Suite(.serialized) struct AgreedStopTests {
  private typealias Extra = TrainingProcesses.Extra

  private static let long = ["epochs": "1000", "checkpoints": "{every: 1}"]
  private static let program = "[{name: process, command: [python3, scorer.py], retries: 0}]"

  private func task(
    _ sections: [String: String] = [:], _ body: (SmallTask) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      try body(SmallTask(Self.long.merging(sections) { $1 }, in: folder))
    }
  }

  /// Expects that all processes have failed with one message.
  private func expectFailure(
    _ outcome: TrainingProcesses.Outcome, _ parts: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      outcome.statuses.allSatisfy { $0 == 1 }, "\(outcome.text)", sourceLocation: sourceLocation)
    #expect(outcome.count(of: "Error: ") == 1, "\(outcome.text)", sourceLocation: sourceLocation)
    for part in parts {
      #expect(
        outcome.count(of: part) == 1, "\(part)\n\(outcome.text)", sourceLocation: sourceLocation)
    }
  }

  @Test func `a signal to one process ends all after the same epoch, and the run goes on`() throws {
    try task { task in
      let processes = try task.start(2, "run")
      try processes.wait(forEpoch: 1, of: "run", in: task)
      processes.send(SIGTERM, to: 1)
      let outcome = try processes.wait()
      #expect(outcome.statuses == [0, 0], "\(outcome.text)")
      #expect(outcome.count(of: "Stopped by SIGTERM after epoch ") == 1, "\(outcome.text)")
      let epochs = try task.metrics("run").count
      #expect(outcome.errors[0].contains("Stopped by SIGTERM after epoch \(epochs) of 1000"))
      #expect(try task.checkpoints("run").last == epochs)
      let resumed = try task.train(2, "run", ["--resume", "--set", "epochs=\(epochs + 1)"])
      #expect(resumed.statuses == [0, 0], "\(resumed.text)")
      #expect(resumed.errors[0].contains("Resuming after epoch \(epochs)"))
      #expect(try task.checkpoints("run").last == epochs + 1)
    }
  }

  @Test func `the time limit ends all processes after the same epoch`() throws {
    try task(["time_limit": "1", "checkpoints": "{every: 1000}"]) { task in
      let outcome = try task.train(3, "run")
      #expect(outcome.statuses == [0, 0, 0], "\(outcome.text)")
      let epochs = try task.metrics("run").count
      #expect(epochs > 0 && epochs < 1000)
      #expect(try task.checkpoints("run").last == epochs)
      let logs = try FileActions.names(task.path("run", "ranks")).map {
        try String(contentsOfFile: task.path("run", "ranks/\($0)"), encoding: .utf8)
      }
      #expect(logs.count == 2)
      for log in logs {
        #expect(log.contains("epoch \(epochs):") && !log.contains("epoch \(epochs + 1):"))
      }
    }
  }

  @Test func `missing scores beyond the limit stop all processes`() throws {
    try task(["rewards": Self.program, "max_missing_scores": "0.01"]) { task in
      let outcome = try task.train(2, "run")
      expectFailure(outcome, "scores of process are missing (no score given: ")
      #expect(try task.checkpoints("run") == [0])
    }
  }

  @Test func `an alarm of a held-out reward stops all processes`() throws {
    try task([
      "rewards": "[{name: jpeg_incompressibility}]",
      "held_out_rewards":
        "[{name: jpeg_compressibility, threshold: 0, patience: 1, action: stop}]",
      "evaluation": "{every: 1, prompts: 8, steps: 3, samples: 2}",
    ]) { task in
      let outcome = try task.train(2, "run")
      #expect(outcome.statuses == [0, 0], "\(outcome.text)")
      #expect(outcome.count(of: "Stopped by the held-out reward jpeg_compressibility") == 1)
      let epochs = try task.metrics("run").count
      #expect(epochs < 1000)
      #expect(try task.checkpoints("run").last == epochs)
    }
  }

  /// Processes of as many hosts: each has its own scorer.
  private func hosts(_ count: Int, outage: String) -> [Int: Extra] {
    let variables = ["LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"]
    return Dictionary(
      uniqueKeysWithValues: (0..<count).map { rank in
        let broken = rank == 1 ? ["OUTAGE": outage] : [:]
        return (rank, Extra(environment: variables.merging(broken) { $1 }))
      })
  }

  @Test func `a reward that cannot start on one host stops all processes, and the rank is named`()
    throws
  {
    try task(["rewards": Self.program]) { task in
      let outcome = try task.train(3, "run", extras: hosts(3, outage: "now"))
      expectFailure(outcome, "Error: rank 1 (", "the reward process failed: ")
      #expect(outcome.errors[0].contains("its last words: the scorer is out of order"))
      #expect(try task.checkpoints("run") == [0])
    }
  }

  @Test func `a reward that dies on one host stops all processes, and their epochs are saved`()
    throws
  {
    try task([
      "rewards":
        "[{name: process, command: [python3, scorer.py], retries: 0, outage_timeout: 0}]",
      "checkpoints": "{every: 1000}",
      "prompts": "{train: squares.txt, evaluation: squares.txt, per_epoch: 8}",
      "evaluation": "{every: 1000, prompts: 8, steps: 3, samples: 2}",
    ]) { task in
      try task.write((1...8).map { "\($0) squares\n" }.joined(), to: "squares.txt")
      let outcome = try task.train(
        3, "run", extras: hosts(3, outage: task.path("run", "metrics.jsonl")))
      expectFailure(outcome, "scores of process are missing (process ended: ")
      let epochs = try task.metrics("run").count
      #expect(epochs > 0)
      #expect(try task.checkpoints("run").last == epochs)
    }
  }

  @Test func `a full disk of rank 0 stops all processes, and the run goes on with more room`()
    throws
  {
    try task(["epochs": "1"]) { task in
      let full = [0: Extra(fileLimit: 200)]
      let first = try task.train(2, "first", extras: [0: Extra(fileLimit: 40)])
      expectFailure(first, "it holds encoded prompts", "File too large")
      let whole = try task.train(2, "whole")
      #expect(whole.statuses == [0, 0], "\(whole.text)")
      // The encoded prompts are there now.
      let outcome = try task.train(2, "run", extras: full)
      expectFailure(outcome, "checkpoints/000000 was not written", "File too large")
      #expect(try task.checkpoints("run") == [])
      let resumed = try task.train(2, "run", ["--resume"])
      #expect(resumed.statuses == [0, 0], "\(resumed.text)")
      #expect(try task.differences("whole", "run") == [])
    }
  }

  @Test func `values that are not finite stop all processes`() throws {
    try task { task in
      let outcome = try task.train(2, "run", ["--set", "optimizer.learning_rate=1e20"])
      expectFailure(outcome, "Error: epoch 1, update 2: ", "is not finite")
      #expect(try task.checkpoints("run") == [0])
    }
  }

  @Test func `a first update that differs from the rollout stops all processes`() throws {
    try task { task in
      // Samples that another process has rolled out: its products round otherwise.
      let other = Extra(environment: ["MKL_CBWR": "COMPATIBLE"])
      let outcome = try task.train(
        3, "run", ["--set", "loss.clip_range=1e-12"], extras: [1: other])
      expectFailure(
        outcome, "Error: epoch 1, update 1: ", "log-probabilities of rollout and training differ by"
      )
      #expect(try task.checkpoints("run") == [0])
    }
  }
}
