package import Foundation

/// The messages of a run in `log.txt`: a time in UTC and one line each.
package final class RunLog {
  private let file: AppendFile
  private let now: () -> Date

  /// Opens a log for appending.
  package init(_ path: String, now: @escaping () -> Date = Date.init) throws(RunError) {
    file = try AppendFile(path)
    self.now = now
  }

  /// Appends a message; each of its lines becomes a line with the time.
  package func write(_ message: String) throws(RunError) {
    let time = now().formatted(.iso8601)
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    try file.append(lines.map { "\(time) \($0)\n" }.joined().utf8)
  }
}
