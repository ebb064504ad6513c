import Foundation
import Foundations
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// `Tests/Fixtures/rewards/scripted_server.py` as a running server. Each test has a name of its
/// own on it.
final class ScriptedServer: Sendable {
  private let server: PythonServer

  init() throws { server = try PythonServer("rewards/scripted_server.py") }

  func url(_ name: String) -> String { "http://127.0.0.1:\(server.port)/\(name)" }

  /// Sets the answers of a name, by the keys of questions.
  func script(_ name: String, _ answers: [String: JSONValue]) async throws {
    var request = URLRequest(url: try #require(URL(string: url(name))))
    request.httpMethod = "PUT"
    let members = answers.map { JSONValue.Member($0.key, $0.value) }
    request.httpBody = Data(JSONValue.object(members).text.utf8)
    _ = try await URLSession.shared.data(for: request)
  }

  /// The texts of the requests to a name so far.
  func bodies(_ name: String) async throws -> [String] {
    let url = try #require(URL(string: url(name)))
    let data = try await URLSession.shared.data(from: url).0
    return try #require(try JSONParser.parse(Array(data)[...]).array).compactMap(\.string)
  }

  /// The requests to a name so far.
  func requests(_ name: String) async throws -> [JSONValue] {
    try await bodies(name).map { try JSONParser.parse(Array($0.utf8)[...]) }
  }
}
