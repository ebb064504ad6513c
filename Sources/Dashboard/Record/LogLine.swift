import Foundations
import Runs

/// One line of a run's log, with its place for messages.
struct LogLine {
  let path: String
  /// From 1.
  let number: Int
  let value: JSONValue

  /// The lines of a log; empty if the file does not exist yet. A torn last line is skipped.
  static func read(_ path: String) throws(ReportError) -> [LogLine] {
    guard RunFiles.exists(path) else { return [] }
    let values: [JSONValue]
    do { values = try MetricsLog.read(path) } catch { throw .run(error) }
    return try values.enumerated().map { index, value throws(ReportError) in
      guard value.members != nil else {
        throw .line(path: path, line: index + 1, reason: "not a JSON object")
      }
      return LogLine(path: path, number: index + 1, value: value)
    }
  }

  func kind() throws(ReportError) -> String {
    guard let kind = value[.kind]?.string else { throw wrong(.kind, "a text") }
    return kind
  }

  func epoch() throws(ReportError) -> Int {
    guard let epoch = value[.epoch]?.int, epoch >= 0 else {
      throw wrong(.epoch, "a whole number of at least 0")
    }
    return epoch
  }

  /// A number; nil when absent or null.
  func number(_ name: MetricName) throws(ReportError) -> Double? {
    try number(named: name.rawValue)
  }

  private func number(named name: String) throws(ReportError) -> Double? {
    switch value[name] {
    case nil, .null: return nil
    case .some(let found):
      guard let number = found.number else { throw wrong(name, "a number") }
      return number
    }
  }

  func required(_ name: MetricName) throws(ReportError) -> Double {
    guard let number = try number(name) else { throw wrong(name, "a number") }
    return number
  }

  func count(_ name: MetricName) throws(ReportError) -> Int? {
    switch value[name] {
    case nil, .null: return nil
    case .some(let found):
      guard let count = found.int, count >= 0 else {
        throw wrong(name, "a whole number of at least 0")
      }
      return count
    }
  }

  /// The numbers of an object, by key, in order; empty when absent.
  func numbers(_ name: MetricName) throws(ReportError) -> [(key: String, value: Double)] {
    switch value[name] {
    case nil, .null: return []
    case .some(let found):
      guard let members = found.members else { throw wrong(name, "an object of numbers") }
      var numbers: [(key: String, value: Double)] = []
      for member in members where member.value != .null {
        guard let number = member.value.number else { throw wrong(name, "an object of numbers") }
        numbers.append((member.key, number))
      }
      return numbers
    }
  }

  /// The numbers of a list; empty when absent.
  func list(_ name: MetricName) throws(ReportError) -> [Double] {
    switch value[name] {
    case nil, .null: return []
    case .some(let found):
      let numbers = found.array?.compactMap(\.number)
      guard let numbers, numbers.count == found.array?.count else {
        throw wrong(name, "a list of numbers")
      }
      return numbers
    }
  }

  /// Numbers whose names begin with `prefix`, under the rest of the name, in order.
  func numbers(prefixed prefix: String) throws(ReportError) -> [(key: String, value: Double)] {
    var numbers: [(key: String, value: Double)] = []
    for member in value.members ?? [] where member.key.hasPrefix(prefix) {
      guard let number = try number(named: member.key) else { continue }
      numbers.append((String(member.key.dropFirst(prefix.count)), number))
    }
    return numbers
  }

  func wrong(_ name: MetricName, _ expected: String) -> ReportError {
    wrong(name.rawValue, expected)
  }

  private func wrong(_ name: String, _ expected: String) -> ReportError {
    .line(path: path, line: number, reason: "\"\(name)\" should be \(expected)")
  }
}
