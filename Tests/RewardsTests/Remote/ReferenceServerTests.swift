import Foundation
import ImageFiles
import Rewards
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// `Tools/reward_server.py` with the rewards that connect to it.
@Suite struct ReferenceServerTests {
  private let script = repositoryFolder() + "/Tools/reward_server.py"
  private let functions = testsFolder() + "/Fixtures/rewards"

  /// The server on a free port, and its address.
  private func serve(
    _ function: String, key: String? = nil
  ) throws -> (process: Process, url: String) {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["python3", script, function, "--port", "0"] + (key.map { ["--key-variable", $0] } ?? [])
    process.currentDirectoryURL = URL(filePath: functions)
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    var line = Data()
    while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
      line += byte
    }
    return (process, String(decoding: line, as: UTF8.self))
  }

  @Test func `a Python function gives the same scores over HTTP and as a child process`()
    async throws
  {
    setenv("TEMPFLOW_TEST_SERVER", "a-key", 1)
    let (process, url) = try serve("functions:length", key: "TEMPFLOW_TEST_SERVER")
    defer { kill(process.processIdentifier, SIGKILL) }
    var remote = HTTPFactory(service("http", urls: [url]))
    remote.batchSize = 3
    remote.service.apiKeyVariable = "TEMPFLOW_TEST_SERVER"
    var child = ProcessFactory()
    child.retry = shortRetry
    child.batchSize = 3
    child.directory = functions
    child.command = ["python3", script, "functions:length", "--stdio"]
    // The function fails on the fourth sample and returns no number for the fifth.
    let total: [Double?] = [1, 2, 3, nil, nil, 6, 7]
    for reward in [try HTTPReward(remote), try ProcessReward(child)] as [any Reward] {
      let scores = try await reward.score(samples(7))
      #expect(scores.total == total, "\(reward.name)")
      #expect(scores[part: "double"] == total.map { $0.map { $0 * 2 } }, "\(reward.name)")
      #expect(scores.reasons == [3: "no score given", 4: "no score given"], "\(reward.name)")
    }
    remote.service.apiKeyVariable = nil
    let refused = try HTTPReward(remote)
    await #expect(throws: RewardError.self) { try await refused.score(samples(1)) }
  }

  @Test func `a Python function gets the sources in order, over HTTP, as paths and inline`()
    async throws
  {
    let (process, url) = try serve("functions:widths")
    defer { kill(process.processIdentifier, SIGKILL) }
    let samples = [[3], [], [4, 3], [3, 5, 4]].map {
      RewardSample(image: picture(9), sources: $0.map(picture), prompt: "a")
    }
    var child = ProcessFactory()
    child.retry = shortRetry
    child.directory = functions
    child.command = ["python3", script, "functions:widths", "--stdio"]
    var inline = child
    inline.imageTransport = .inline
    let rewards: [any Reward] = [
      try HTTPReward(HTTPFactory(service("http", urls: [url]))), try ProcessReward(child),
      try ProcessReward(inline),
    ]
    for reward in rewards {
      let scores = try await reward.score(samples)
      #expect(scores.total == [3, 0, 34, 453], "\(reward.name)")
      #expect(scores[part: "image"] == [9, 9, 9, 9], "\(reward.name)")
    }
  }

  @Test(arguments: ["3", "null", #"[{"png": "%"}]"#, #"[{}]"#, #"["a"]"#])
  func `sources that cannot be read are refused`(sources: String) async throws {
    let (process, url) = try serve("functions:widths")
    defer { kill(process.processIdentifier, SIGKILL) }
    var request = URLRequest(url: try #require(URL(string: url + "/score")))
    request.httpMethod = "POST"
    request.httpBody = Data(
      (#"{"protocol":1,"id":"x","samples":[{"prompt":"a","png":"aGk=","sources":"# + sources
        + "}]}").utf8)
    let (body, response) = try await URLSession.shared.data(for: request)
    #expect((response as? HTTPURLResponse)?.statusCode == 400)
    #expect(String(decoding: body, as: UTF8.self).contains("a sample cannot be read"))
  }

  @Test func `a repeated request has the answer of the first`() async throws {
    let (process, url) = try serve("functions:count")
    defer { kill(process.processIdentifier, SIGKILL) }
    func answer(_ identifier: String) async throws -> String {
      var request = URLRequest(url: try #require(URL(string: url + "/score")))
      request.httpMethod = "POST"
      request.httpBody = Data(
        #"{"protocol":1,"id":"\#(identifier)","samples":[{"prompt":"a","png":"aGk="}]}"#.utf8)
      return String(decoding: try await URLSession.shared.data(for: request).0, as: UTF8.self)
    }
    #expect(try await answer("x").contains("\"scores\": [1.0]"))
    #expect(try await answer("y").contains("\"scores\": [2.0]"))
    #expect(try await answer("x").contains("\"scores\": [1.0]"))
  }
}
