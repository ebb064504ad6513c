internal import Foundation
internal import Foundations

/// One prompt as read from its file.
struct PromptRow: Equatable {
  /// Why a file cannot be read as prompts: the finding and a remedy.
  struct Fault: Error, Equatable {
    /// From 1; nil for the file as a whole.
    var line: Int?
    var reason: String

    init(_ line: Int?, _ reason: String) {
      self.line = line
      self.reason = reason
    }
  }

  /// The row's first line, from 1.
  let line: Int
  let text: String
  let tag: String?
  /// All entries of the row, by key; empty for a row of plain text.
  let metadata: [String: JSONValue]

  /// Creates a row of plain text.
  init(line: Int, text: String) throws(Fault) {
    self.line = line
    self.text = text.trimmingCharacters(in: .whitespaces.union(.newlines))
    tag = nil
    metadata = [:]
    if self.text.isEmpty { throw Fault(line, "the prompt is empty") }
  }

  /// Creates a row with keys. The prompt's key becomes `prompt`, whatever its name in the file.
  init(line: Int, members: [JSONValue.Member]) throws(Fault) {
    let key = try Self.promptKey(members.map(\.key), line: line)
    var metadata = Dictionary(members.map { ($0.key, $0.value) }) { $1 }
    let tag = metadata["tag"] ?? .null
    guard let value = metadata.removeValue(forKey: key)?.string, tag == .null || tag.string != nil
    else { throw Fault(line, PromptFormat.malformedObject) }
    let text = value.trimmingCharacters(in: .whitespaces.union(.newlines))
    if text.isEmpty { throw Fault(line, "the prompt is empty") }
    metadata["prompt"] = .string(value)
    self.line = line
    self.text = text
    self.tag = tag.string
    self.metadata = metadata
  }

  /// Names of the key of the prompt, in either case. `prompt` has priority.
  static let promptKeys = ["prompt", "prompts", "caption", "text"]

  /// Whether a name is one of ``promptKeys``.
  static func isPromptKey(_ name: String) -> Bool {
    promptKeys.contains(name.trimmingCharacters(in: .whitespaces).lowercased())
  }

  /// The one key of a row or a heading that holds the prompt.
  static func promptKey(_ keys: [String], line: Int) throws(Fault) -> String {
    let found = keys.filter(isPromptKey)
    let exact = found.filter { $0.trimmingCharacters(in: .whitespaces).lowercased() == "prompt" }
    if exact.count == 1 { return exact[0] }
    if found.count == 1 { return found[0] }
    let names = keys.prefix(8).map { "\"\($0.prefix(40))\"" }.joined(separator: ", ")
    throw Fault(
      line,
      found.isEmpty
        ? "not a prompt: there is no \"prompt\" among \(names.isEmpty ? "no keys" : names); call "
          + "the prompt's key or column \"prompt\""
        : "not a prompt: \(found.joined(separator: " and ")) could each be the prompt; call one "
          + "of them \"prompt\" and rename the others")
  }
}
