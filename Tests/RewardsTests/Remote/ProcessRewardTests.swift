import Foundation
import Rewards
import TestSupport
import Testing

@Suite struct ProcessRewardTests {
  private let memory = NSTemporaryDirectory() + "tempflow-child-\(UUID().uuidString)"

  private func reward(
    _ mode: String, _ change: (inout ProcessFactory) -> Void = { _ in }
  ) throws -> ProcessReward {
    var settings = ProcessFactory()
    settings.retry = shortRetry
    settings.command = ["python3", fixture("rewards/child.py"), mode, memory]
    settings.batchSize = 2
    // The start of Python may take long on a busy machine.
    settings.retry.outageTimeout = 30
    change(&settings)
    return try ProcessReward(settings)
  }

  /// The process identifiers of all children so far.
  private func children() throws -> [pid_t] {
    try String(contentsOfFile: memory, encoding: .utf8).split(separator: "\n")
      .compactMap { pid_t($0) }
  }

  @Test func `a program ends with the process that uses it, however that ends`() async throws {
    try await withTemporaryFolder { folder in
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        // It does not notice that its input has ended.
        let script = "echo $$ > \(folder)/new; mv \(folder)/new \(folder)/child; exec sleep 300"
        var settings = ProcessFactory()
        settings.command = ["/bin/sh", "-c", script]
        let reward = try ProcessReward(settings)
        Task { _ = try await reward.score(samples(1)) }
        while !FileManager.default.fileExists(atPath: "\(folder)/child") {
          try await Task.sleep(for: .milliseconds(10))
        }
        kill(getpid(), SIGKILL)
      }
      let text = try String(contentsOfFile: "\(folder)/child", encoding: .utf8)
      let child = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
      for _ in 0..<1000 where isRunning(child) { try await Task.sleep(for: .milliseconds(10)) }
      #expect(!isRunning(child))
    }
  }

  @Test func `a program that takes too long is killed with what it has started`() async throws {
    let reward = try reward("good") {
      $0.command = ["/bin/sh", "-c", "sleep 1000 & echo $! > \(memory); wait"]
      $0.retry.timeout = 3
    }
    #expect(try await reward.score(samples(1)).reasons == [0: "timed out"])
    let sleeper = try #require(try children().first)
    for _ in 0..<1000 where isRunning(sleeper) { try await Task.sleep(for: .milliseconds(10)) }
    #expect(!isRunning(sleeper))
  }

  @Test(arguments: ImageTransport.allCases)
  func `a program scores images given as paths or inline`(
    images: ImageTransport
  ) async throws {
    let reward = try reward("good") { $0.imageTransport = images }
    let scores = try await reward.score(samples(5))
    #expect(scores.total == [1, 2, 3, 4, 5])
    #expect(scores[part: "inline"] == Array(repeating: images == .inline ? 1 : 0, count: 5))
    #expect(try await reward.score(samples(1)).total == [1])
    #expect(try children().count == 1)
  }

  @Test func `a program has neither the connections of the run nor its place in it`() async {
    // In a process of its own: other tests have other environments.
    await #expect(processExitsWith: .success) {
      try await withTemporaryFolder { folder in
        setenv("RANK", "3", 1)
        setenv("TORCHELASTIC_RUN_ID", "job", 1)
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        // The highest number is that of the listing itself.
        let script = """
          ls /proc/self/fd | sort -n | tail -1 > \(folder)/found
          echo "${RANK-none} ${TORCHELASTIC_RUN_ID-none}" >> \(folder)/found
          exec python3 \(fixture("rewards/child.py")) good \(folder)/children
          """
        var settings = ProcessFactory()
        settings.command = ["/bin/sh", "-c", script]
        let scores = try await ProcessReward(settings).score(samples(1))
        #expect(scores.total == [1])
        let found = try String(contentsOfFile: folder + "/found", encoding: .utf8)
        #expect(found == "3\nnone none\n")
      }
    }
  }

  @Test func `several children share the work`() async throws {
    let reward = try reward("good") {
      $0.concurrency = 2
      $0.directory = "/"
    }
    #expect(try await reward.score(samples(12)).total == (1...12).map(Double.init))
    #expect(try children().count == 2)
  }

  @Test(arguments: ["dies", "deaf", "stutters"])
  func `a child that dies or breaks the protocol is started again, and its samples are sent again`(
    mode: String
  ) async throws {
    let scores = try await reward(mode) { $0.retry.retries = 1 }.score(samples(6))
    #expect(scores.total == [1, 2, 3, 4, 5, 6])
    let children = try children()
    #expect(children.count == 2)
    #expect(kill(children[0], 0) != 0)
  }

  @Test func `a sample with NaN has no score, and the child goes on`() async throws {
    let scores = try await reward("undefined") {
      $0.batchSize = 3
      $0.retry.retries = 3
    }.score(samples(6))
    #expect(scores.total == [1, 2, nil, 4, 5, nil])
    #expect(scores.reasons == [2: "not a finite number", 5: "not a finite number"])
    #expect(try children().count == 1)
  }

  @Test func `a child that hangs is killed and started again`() async throws {
    let scores = try await reward("hangs") {
      $0.retry.retries = 1
      $0.retry.timeout = 3
    }.score(samples(6))
    #expect(scores.total == [1, 2, 3, 4, 5, 6])
    let children = try children()
    #expect(children.count == 2)
    #expect(kill(children[0], 0) != 0)
  }

  @Test func `without retries the samples have no score`() async throws {
    let scores = try await reward("dies").score(samples(4))
    // Both batches are sent at once, so either may have the answer.
    let answersFirst = scores.total[0] != nil
    #expect(scores.total == (answersFirst ? [1, 2, nil, nil] : [nil, nil, 3, 4]))
    let lost = answersFirst ? [2, 3] : [0, 1]
    #expect(
      scores.reasons == Dictionary(uniqueKeysWithValues: lost.map { ($0, "process ended") }))
  }

  @Test func `other text on standard output is not an answer`() async throws {
    #expect(try await reward("chatty").score(samples(4)).total == [1, 2, 3, 4])
  }

  @Test func `an endless line is refused`() async throws {
    let scores = try await reward("floods").score(samples(1))
    #expect(scores.reasons == [0: "answer too large"])
  }

  @Test func `a program that cannot start ends the run with its last lines`() async throws {
    let broken = try reward("broken") { $0.retry.retries = 100 }
    let error = await #expect(throws: RewardError.self) { try await broken.score(samples(1)) }
    let text = try #require(error?.description)
    #expect(text.contains("ended (exit status 3) before it answered"), "\(text)")
    #expect(text.contains("No module named 'my_reward'"), "\(text)")
    let missing = try reward("good") { $0.command = ["no-such-program-at-all"] }
    let other = await #expect(throws: RewardError.self) { try await missing.score(samples(1)) }
    #expect(
      other?.description
        == "the reward process failed: no-such-program-at-all cannot be started: "
        + "No such file or directory")
  }
}
