import Foundation
import TestSupport
import Testing

/// `Tools/scaling_simulation.py` with plans of the demo.
@Suite struct ScalingSimulationTests {
  /// A row of the table.
  private struct Row {
    let division: [String]
    /// Rollout, rewards, updates, communication, waiting, whole; seconds.
    let seconds: [Double]
  }

  private func plan(_ processes: Int, microBatch: Int, in folder: String) throws -> String {
    let plan = try tempflow([
      "plan", "Recipes/shapes.yaml", "--processes", "\(processes)", "--json", "--set",
      "optimizer.micro_batch=\(microBatch)",
    ])
    #expect(plan.status == 0, "\(plan.errors)")
    let path = "\(folder)/plan-\(processes).json"
    try Data(plan.output.utf8).write(to: URL(filePath: path))
    return path
  }

  private func simulate(_ arguments: [String]) throws -> [Row] {
    let script = "\(repositoryFolder())/Tools/scaling_simulation.py"
    let run = try ProgramRun("/usr/bin/env", ["python3", script] + arguments)
    #expect(run.status == 0, "\(run.output)")
    return run.output.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst().map { line in
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      return Row(division: Array(cells[1...2]), seconds: cells[3...8].compactMap(Double.init))
    }
  }

  /// 11,136 evaluations of 1 s and 4 updates of 96 samples of 2 s on 8 processes, with messages
  /// of 1 s. One micro-batch an update is one rank's work.
  @Test(arguments: [(12, 0.0), (96, 4 * 2.0 * 96 * 7 / 8)])
  func `without spread and skipped samples the seconds are the plan's`(
    _ microBatch: Int, _ waiting: Double
  ) throws {
    try withTemporaryFolder { folder in
      let rows = try simulate([
        plan(8, microBatch: microBatch, in: folder), "--evaluation", "1", "--sample", "2",
        "--rank-cv", "0", "--item-cv",
        "0", "--gigabits", "1e12", "--latency", "1", "--epochs", "2",
      ])
      #expect(
        rows.map(\.division) == [
          ["own trunks", "own rank"], ["own trunks", "any rank"], ["dealt", "own rank"],
          ["dealt", "any rank"],
        ])
      for row in rows {
        // A ring of 8 has 14 messages for the counts of an update and 14 for its only chunk of
        // gradients, and 7 for records and for samples that move.
        let isDealt = row.division[0] == "dealt"
        let (messages, waiting) = (4 * 28 + (isDealt ? 14.0 : 7), isDealt ? waiting : 0)
        #expect(row.seconds == [1392, 0, 96, messages, waiting, 1488 + messages + waiting])
      }
    }
  }

  @Test func `waiting is what is left of the whole, and dealing and moved rewards lower it`() throws
  {
    try withTemporaryFolder { folder in
      let path = try plan(6, microBatch: 2, in: folder)
      func rows(seed: Int) throws -> [Row] {
        try simulate([
          path, "--evaluation", "0.01", "--sample", "1", "--reward", "0.2", "--skipped", "0.5",
          "--slow-scorer", "4", "--rollout-batches", "2", "--epochs", "3", "--seed", "\(seed)",
        ])
      }
      let found = try rows(seed: 5)
      for row in found {
        let parts = row.seconds[..<5].reduce(0, +)
        #expect(row.seconds[4] >= 0 && abs(parts / row.seconds[5] - 1) < 1e-3)
      }
      let waiting = found.map { $0.seconds[4] }
      #expect(waiting[1] < waiting[0] && waiting[2] < waiting[0] && waiting[3] < waiting[1])
      #expect(try rows(seed: 5).map(\.seconds) == found.map(\.seconds))
      #expect(try rows(seed: 6).map(\.seconds) != found.map(\.seconds))
    }
  }

  /// Two epochs after a slow one: 8,064 evaluations in 8 and 12 s, of 384 samples 84 skipped.
  @Test func `seconds, spread and skipped samples come from a run`() throws {
    try withTemporaryFolder { folder in
      let epochs = [100.0, 8, 12].map { rollout in
        "{\"kind\": \"epoch\", \"rollout_seconds\": \(rollout), \"decode_seconds\": 0, "
          + "\"update_seconds\": 3, \"scoring_seconds\": 0}"
      }
      let counts =
        "{\"kind\": \"epoch\", \"nfe\": 8064, \"images\": 3072, \"training_samples\": 384, "
        + "\"training_samples_skipped\": 84}"
      let other = "{\"kind\": \"start\"}"
      try Data((other + "\n" + epochs.joined(separator: "\n")).utf8)
        .write(to: URL(filePath: "\(folder)/timings.jsonl"))
      try Data([counts, counts, counts].joined(separator: "\n").utf8)
        .write(to: URL(filePath: "\(folder)/metrics.jsonl"))
      let script = "\(repositoryFolder())/Tools/scaling_simulation.py"
      let run = try ProgramRun(
        "/usr/bin/env",
        [
          "python3", script, plan(2, microBatch: 48, in: folder), "--timings",
          "\(folder)/timings.jsonl",
          "--metrics", "\(folder)/metrics.jsonl",
        ])
      #expect(run.status == 0)
      // 10 s of 8,064; 3 s of 300; the deviation of 8 and 12 from 10 over 10; 84 of 384.
      #expect(run.output.contains("0.00124 s an evaluation, 0.01 s a training sample"))
      #expect(run.output.contains("spread of ranks 0.283") && run.output.contains("21.9 % of"))
    }
  }
}
