package import Foundation
internal import Foundations

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

  /// Appends what has stopped the run.
  package func writeStop(_ reason: String) throws(RunError) { try write(Self.stop + reason) }

  /// What has stopped the run by the last line of a log; nil where that says something else, and
  /// without a log.
  package static func stop(in path: String) throws(RunError) -> String? {
    guard try onDisk(FileStatus(path: path)) != nil else { return nil }
    let text = String(decoding: try onDisk(AtomicFile.read(path)), as: UTF8.self)
    let last = (text.split(separator: "\n").last ?? "").drop { $0 != " " }.dropFirst()
    return last.hasPrefix(stop) ? String(last.dropFirst(stop.count)) : nil
  }

  private static let stop = "stopped: "
}
