import Foundations

/// A line between the processes of a host that share child programs.
///
/// The process that owns the programs sends `hello`, `answer`, `fault` and `alive`; the others send
/// `hello`, `ask` and `cancel`. Each `ask` has exactly one answer or fault, a canceled one too.
package enum SharedMessage: Equatable, Sendable {
  /// The sender's rank and process identifier.
  case hello(rank: Int, process: Int)
  /// A request of `docs/rewards/protocol.md` with `count` samples; `number` is unique within the
  /// connection.
  case ask(number: Int, count: Int, identifier: String, request: [UInt8])
  /// The request's answer is no longer wanted.
  case cancel(number: Int)
  case answer(number: Int, [UInt8])
  case fault(number: Int, RemoteFault)
  /// The owner is there; an empty line.
  case alive

  /// Parses a line; nil for any other text.
  package init?(_ line: [UInt8]) {
    var rest = line[...]
    func word() -> String {
      let end = rest.firstIndex(of: UInt8(ascii: " ")) ?? rest.endIndex
      defer { rest = rest[end...].dropFirst() }
      return String(decoding: rest[..<end], as: UTF8.self)
    }
    switch word() {
    case "" where line.isEmpty:
      self = .alive
    case "hello":
      guard let rank = Int(word()), let process = Int(word()) else { return nil }
      self = .hello(rank: rank, process: process)
    case "ask":
      guard let number = Int(word()), let count = Int(word()) else { return nil }
      let identifier = word()
      self = .ask(number: number, count: count, identifier: identifier, request: Array(rest))
    case "cancel":
      guard let number = Int(word()) else { return nil }
      self = .cancel(number: number)
    case "answer":
      guard let number = Int(word()) else { return nil }
      self = .answer(number: number, Array(rest))
    case "fault":
      guard let number = Int(word()), let fault = RemoteFault(Array(rest)) else { return nil }
      self = .fault(number: number, fault)
    default:
      return nil
    }
  }

  /// The line, without its end.
  package var line: [UInt8] {
    switch self {
    case .hello(let rank, let process): Array("hello \(rank) \(process)".utf8)
    case .ask(let number, let count, let identifier, let request):
      Array("ask \(number) \(count) \(identifier) ".utf8) + request
    case .cancel(let number): Array("cancel \(number)".utf8)
    case .answer(let number, let answer): Array("answer \(number) ".utf8) + answer
    case .fault(let number, let fault): Array("fault \(number) \(fault.json.text)".utf8)
    case .alive: []
    }
  }
}

extension RemoteFault {
  fileprivate var json: JSONValue {
    switch self {
    case .transient(let reason, let detail, let retryAfter):
      [
        "reason": .string(reason.rawValue), "detail": .string(detail),
        "retry_after": retryAfter.map(JSONValue.double) ?? .null,
      ]
    case .permanent(let detail): ["detail": .string(detail)]
    }
  }

  fileprivate init?(_ text: [UInt8]) {
    let value: JSONValue
    do throws(JSONParser.Failure) {
      value = try JSONParser.parse(text[...])
    } catch {
      return nil
    }
    guard let detail = value["detail"]?.string else { return nil }
    guard let name = value["reason"]?.string else {
      self = .permanent(detail: detail)
      return
    }
    guard let reason = Reason(rawValue: name) else { return nil }
    self = .transient(reason, detail: detail, retryAfter: value["retry_after"]?.number)
  }
}
