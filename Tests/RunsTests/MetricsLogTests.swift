import Foundation
import Foundations
import Runs
import TestSupport
import Testing

struct MetricsLogTests {
  private static func line(_ epoch: Int) -> [JSONValue.Member] {
    [.init(.epoch), .init(.epoch, .int(epoch)), .init(.rewardMean, .double(0.1 * Double(epoch)))]
  }

  private static func text(_ path: String) throws -> String {
    String(decoding: try AtomicFile.read(path), as: UTF8.self)
  }

  @Test func `lines are appended in the order of their members`() throws {
    try withTemporaryFolder { folder in
      let log = try MetricsLog(folder + "/metrics.jsonl", content: .metrics)
      try log.append(Self.line(1))
      try log.append(Self.line(3))
      try log.synchronize()
      let expected = """
        {"kind":"epoch","epoch":1,"reward_mean":0.1}
        {"kind":"epoch","epoch":3,"reward_mean":0.30000000000000004}

        """
      #expect(try Self.text(log.path) == expected)
      #expect(log.byteCount == expected.utf8.count)
      let records = try MetricsLog.read(log.path)
      #expect(records.map { $0[.epoch] } == [1, 3])
    }
  }

  @Test func `a resumed log equals the uninterrupted one byte for byte`() throws {
    try withTemporaryFolder { folder in
      let whole = try MetricsLog(folder + "/whole", content: .metrics)
      for epoch in 1...6 { try whole.append(Self.line(epoch)) }

      var log = try MetricsLog(folder + "/parts", content: .metrics)
      for epoch in 1...3 { try log.append(Self.line(epoch)) }
      try log.synchronize()
      let offset = log.byteCount
      // Epochs after the checkpoint, and half a line, as a killed process leaves them.
      for epoch in 4...5 { try log.append(Self.line(epoch)) }
      try AtomicFile.write(try Self.text(log.path) + "{\"kind\":\"ep", to: log.path)

      log = try MetricsLog(folder + "/parts", content: .metrics, resumingAt: offset)
      for epoch in 4...6 { try log.append(Self.line(epoch)) }
      #expect(try Self.text(log.path) == Self.text(whole.path))
    }
  }

  @Test func `resuming before the first checkpoint starts the log again`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m"
      try MetricsLog(path, content: .metrics).append(Self.line(1))
      #expect(try MetricsLog(path, content: .metrics, resumingAt: 0).byteCount == 0)
      #expect(try MetricsLog(folder + "/new", content: .metrics, resumingAt: 0).byteCount == 0)
    }
  }

  @Test func `a log that differs from what the checkpoint recorded is refused`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m"
      try MetricsLog(path, content: .metrics).append(Self.line(1))
      for (file, offset) in [(path, 5), (path, 4000), (folder + "/absent", 7)] {
        do throws(RunError) {
          _ = try MetricsLog(file, content: .metrics, resumingAt: offset)
          Issue.record("offset \(offset) was accepted")
        } catch {
          guard case .logMismatch = error else { throw error }
        }
      }
      #expect(try MetricsLog.read(path).count == 1)
    }
  }

  @Test func `a new run refuses a log that holds something`() throws {
    try withTemporaryFolder { folder in
      try MetricsLog(folder + "/m", content: .metrics).append(Self.line(1))
      #expect(throws: RunError.holdsAnotherRun(path: folder)) {
        try MetricsLog(folder + "/m", content: .metrics)
      }
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func `a value that is not finite is refused by name and nothing is written`(
    _ value: Double
  ) throws {
    try withTemporaryFolder { folder in
      let log = try MetricsLog(folder + "/m", content: .metrics)
      let expected = RunError.notFinite(
        path: log.path, name: "rewards.shapes[1]", value: "\(value)")
      #expect(throws: expected) {
        try log.append([.init("rewards", ["shapes": [0, .double(value)]])])
      }
      #expect(log.byteCount == 0)
      #expect(try Self.text(log.path).isEmpty)
    }
  }

  @Test func `a full disk is named`() throws {
    let log = try MetricsLog("/dev/full", content: .metrics)
    #expect(throws: RunError.file(.diskFull(path: "/dev/full"))) { try log.append(Self.line(1)) }
    let message = RunError.file(.diskFull(path: "/dev/full")).description
    #expect(message.contains("Nothing written before is lost"))
  }

  @Test func `a log whose path is gone or leads elsewhere is named`() throws {
    try withTemporaryFolder { folder in
      try FileActions.make(folder + "/run")
      let path = folder + "/run/m"
      let log = try MetricsLog(path, content: .metrics)
      try log.append(Self.line(1))
      try FileActions.move(folder + "/run", to: folder + "/moved")
      #expect(throws: RunError.vanished(path: path)) { try log.append(Self.line(2)) }
      #expect(throws: RunError.vanished(path: path)) { try log.synchronize() }
      try FileActions.make(folder + "/run")
      try AtomicFile.write("another file\n", to: path)
      #expect(throws: RunError.vanished(path: path)) { try log.append(Self.line(2)) }
      #expect(try MetricsLog.read(folder + "/moved/m").count == 1)
    }
  }

  @Test func `a broken line is named with its number, a half last one is skipped`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m"
      try AtomicFile.write("{\"a\":1}\n{\"a\":\n{\"a\":3}\n", to: path)
      do throws(RunError) {
        _ = try MetricsLog.read(path)
        Issue.record("a broken line was accepted")
      } catch {
        guard case .unreadable(path, 2, _) = error else { throw error }
      }
      try AtomicFile.write("{\"a\":1}\n{\"a\":", to: path)
      #expect(try MetricsLog.read(path) == [["a": 1]])
      try AtomicFile.write("{\"a\":", to: path)
      #expect(try MetricsLog.read(path).isEmpty)
    }
  }

  @Test func `times do not belong in the metrics`() async {
    await #expect(processExitsWith: .failure) {
      try MetricsLog("/dev/null", content: .metrics).append([.init(.epochSeconds, 1)])
    }
    await #expect(processExitsWith: .success) {
      try MetricsLog("/dev/null", content: .timings).append([.init(.epochSeconds, 1)])
    }
  }

  @Test func `a reward may have any name`() throws {
    try withTemporaryFolder { folder in
      let log = try MetricsLog(folder + "/metrics.jsonl", content: .metrics)
      try log.append([.init("part_mean.http.inference_seconds", 1)])
      #expect(try MetricsLog.read(log.path).count == 1)
    }
  }

  @Test func `the log of messages puts the time before every line`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.txt"
      let log = try RunLog(path) { .init(timeIntervalSince1970: 86400) }
      try log.write("one\ntwo")
      try log.write("three")
      let time = "1970-01-02T00:00:00Z"
      #expect(try Self.text(path) == "\(time) one\n\(time) two\n\(time) three\n")
    }
  }

  @Test func `a log says whether its run has stopped, until it goes on`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.txt"
      #expect(try RunLog.stop(in: path) == nil)
      let log = try RunLog(path)
      #expect(try RunLog.stop(in: path) == nil)
      try log.write("one stopped: two")
      #expect(try RunLog.stop(in: path) == nil)
      try log.writeStop("rank 1 no longer answers")
      #expect(try RunLog.stop(in: path) == "rank 1 no longer answers")
      try log.write("Resuming after epoch 2.")
      #expect(try RunLog.stop(in: path) == nil)
    }
  }
}
