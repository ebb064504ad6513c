package import Foundations

/// A log of JSON objects, one per line, that a resumed run continues bit for bit.
///
/// A run has two: `metrics.jsonl`, whose bytes follow from recipe and seed, and `timings.jsonl`,
/// whose figures differ from run to run. Their names end in `_seconds`; counters beside them give
/// the line of the metrics that they belong to.
package final class MetricsLog {
  /// Which of the two logs.
  package enum Content: Sendable {
    /// Figures that are equal in every run of a recipe; names do not end in `_seconds`, but for
    /// what a recipe or a reward has named, after a dot.
    case metrics
    /// Times, under names that end in `_seconds`, beside counters.
    case timings
  }

  private let content: Content
  private let file: AppendFile

  /// Opens a log for appending; a missing one is made.
  ///
  /// - Parameter offset: for a resumed run, the `byteCount` that its checkpoint recorded (0 without
  ///   a checkpoint); what follows it is cut off. Nil for a new run, whose log must be empty.
  /// - Throws: `logMismatch` when the log is shorter than the checkpoint recorded or no line ends
  ///   there, `holdsAnotherRun`, or a file error.
  package init(_ path: String, content: Content, resumingAt offset: Int? = nil) throws(RunError) {
    if let offset { try Self.checkLineEnd(path, offset) }
    self.content = content
    file = try AppendFile(path, cutTo: offset)
    guard offset != nil || file.byteCount == 0 else {
      throw .holdsAnotherRun(path: FileTree.parent(of: path))
    }
  }

  /// The file.
  package var path: String { file.path }

  /// Bytes written so far; a checkpoint records the figure after `synchronize`.
  package var byteCount: Int { file.byteCount }

  /// Appends one whole line, or nothing when it throws.
  ///
  /// - Parameter record: the line's members, in the order they are written in.
  /// - Throws: `notFinite`, `vanished` or a file error.
  package func append(_ record: [JSONValue.Member]) throws(RunError) {
    let line = JSONValue.object(record)
    precondition(
      Set(record.map(\.key)).count == record.count, "a name is given twice: \(line)")
    if content == .metrics {
      // After a dot comes a name that a recipe or a reward has given.
      let timed = record.first { $0.key.hasSuffix("_seconds") && !$0.key.contains(".") }
      precondition(timed == nil, "\(timed!.key) belongs in the timings")
    }
    if let (name, value) = line.firstNonFinite() {
      throw .notFinite(path: path, name: name, value: "\(value)")
    }
    try file.append((line.text + "\n").utf8)
  }

  /// Waits until all lines are on the disk: once an epoch, before the checkpoint that records
  /// `byteCount`.
  package func synchronize() throws(RunError) {
    try file.synchronize()
  }

  /// The lines of a log. A last line without its line end, left by a killed run, is skipped.
  ///
  /// - Throws: `unreadable` with the line, or a file error.
  package static func read(_ path: String) throws(RunError) -> [JSONValue] {
    let bytes = try onDisk(AtomicFile.read(path))
    guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    var records: [JSONValue] = []
    let lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      do throws(JSONParser.Failure) {
        records.append(try JSONParser.parse(line))
      } catch {
        throw .unreadable(path: path, line: index + 1, reason: error.reason)
      }
    }
    return records
  }

  private static func checkLineEnd(_ path: String, _ offset: Int) throws(RunError) {
    guard offset > 0, let status = try onDisk(FileStatus(path: path)) else {
      guard offset == 0 else {
        throw .logMismatch(path: path, offset: offset, reason: "it is not there")
      }
      return
    }
    guard offset <= status.byteCount else {
      throw .logMismatch(
        path: path, offset: offset, reason: "it has only \(status.byteCount) bytes")
    }
    guard try onDisk(AtomicFile.read(path))[offset - 1] == UInt8(ascii: "\n") else {
      throw .logMismatch(path: path, offset: offset, reason: "no line ends there")
    }
  }
}
