import Foundation
import Foundations
import ImageFiles
import Rewards
import Testing

/// `Tests/Fixtures/rewards/faulty_server.py` as a running server.
final class FaultyServer: Sendable {
  private let server: PythonServer
  var port: Int { server.port }

  /// - Parameter port: 0 is any free port.
  init(port: Int = 0) throws {
    server = try PythonServer("rewards/faulty_server.py", arguments: [String(port)])
  }

  /// Kills the server.
  func kill() { server.kill() }

  func url(_ fault: String) -> String { "http://127.0.0.1:\(port)/\(fault)" }

  /// The requests to one fault so far: identifiers and sample counts.
  func seen(_ fault: String) throws -> [(id: String?, count: Int)] {
    (try report()["seen"]?.array ?? []).compactMap(\.array)
      .filter { $0[0] == .string(fault) }
      .map { ($0[1].string, $0[2].int ?? 0) }
  }

  /// The largest number of requests that were in flight at once.
  func maxInFlight() throws -> Int? { try report()["most_under_way"]?.int }

  private func report() throws -> JSONValue {
    let data = try Data(contentsOf: try #require(URL(string: "http://127.0.0.1:\(port)/")))
    return try JSONParser.parse(Array(data)[...])
  }
}

/// Samples whose prompts are 1, 2, … letters long, each with its number as metadata `x`.
func samples(_ count: Int) -> [RewardSample] {
  (1...count).map { number in
    RewardSample(
      image: PixelBuffer(width: 8, height: 8, red: UInt8(number % 256), green: 7, blue: 9),
      prompt: String(repeating: "a", count: number), metadata: ["x": .int(number)])
  }
}

/// A service with limits that suit tests.
func service(_ label: String, urls: [String] = []) -> ServiceSettings {
  var service = ServiceSettings(label: label, urls: urls)
  service.retry = shortRetry
  return service
}

/// One attempt of 30 s, and no wait for a service that is away.
var shortRetry: RetryPolicy {
  var retry = RetryPolicy()
  retry.timeout = 30
  retry.retries = 0
  retry.outageTimeout = 0.1
  return retry
}
