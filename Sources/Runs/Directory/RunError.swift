package import Foundations

/// An error about a run on disk. Its description names the path and the remedy.
package enum RunError: Error, Sendable, Hashable {
  /// The directory already holds a run, and the mode is `create`.
  case holdsAnotherRun(path: String)
  /// The directory holds files that are not a run's.
  case notARun(path: String, found: String)
  /// There is no run to resume or to read.
  case noRun(path: String)
  /// The directory that the first process of a run has opened is not there for another one.
  case notShared(path: String)
  /// The run was written by an earlier version, whose keys and files have other names.
  case earlierVersion(path: String)
  /// Another process has the run open. `pid` and `host` are what its lock file says; nil when that
  /// cannot be read.
  case locked(path: String, pid: Int?, host: String?)
  /// The directory's file system has no locks.
  case noLocks(path: String)
  /// The directory, or a file in it, was removed or moved while the run was going.
  case vanished(path: String)
  /// The operating system refused an operation.
  case file(FileError)
  /// The content of a JSON file could not be encoded.
  case notEncoded(path: String, reason: String)
  /// A metric is not a finite number, so no line was written.
  case notFinite(path: String, name: String, value: String)
  /// A log is shorter than a checkpoint recorded, or no line ends where it ended then.
  case logMismatch(path: String, offset: Int, reason: String)
  /// A JSON file cannot be read; `line` starts from 1.
  case unreadable(path: String, line: Int, reason: String)
  /// A checkpoint's files differ from its manifest.
  case checkpointDamaged(path: String, reason: String)
  /// There is no checkpoint of this number; `found` are the numbers of the others.
  case noCheckpoint(path: String, number: Int, found: [Int])
  /// There are checkpoints, and every one of them is damaged.
  case noSoundCheckpoint(path: String, reasons: [String])
  /// A run has trained, and its checkpoints are gone.
  case checkpointsLost(path: String)
  /// The content of a checkpoint could not be written.
  case checkpointNotWritten(path: String, reason: String)
}

extension RunError: CustomStringConvertible {
  /// One sentence on what happened, and one on what to do.
  package var description: String {
    switch self {
    case .holdsAnotherRun(let path):
      "\(path) already holds a run. "
        + "Continue it with --resume, or choose another directory with --run-dir."
    case .notARun(let path, let found):
      "\(path) is not empty and holds no run (found \(found)). "
        + "Choose another directory with --run-dir."
    case .noRun(let path):
      "There is no run in \(path). Check the path; a new run starts without --resume."
    case .notShared(let path):
      "\(path) is not the directory here that rank 0 has opened: the run directory must be on a "
        + "file system that all hosts of the run share."
    case .earlierVersion(let path):
      "The run in \(path) was written by an earlier version of tempflow, whose keys and files have "
        + "other names (docs/renamed.md): read it with that version, or start a new run."
    case .locked(let path, let pid, let host):
      "Another process is using the run in \(path)\(Self.holder(pid, host)). "
        + "Wait for it, stop it, or choose another directory; nothing was changed."
    case .noLocks(let path):
      "\(path) cannot be locked: its file system has no file locks, without which two processes "
        + "could write one run. Mount it with locks (Lustre: -o flock), or choose another "
        + "directory with --run-dir."
    case .vanished(let path):
      "\(path) was removed or moved while the run was going, so the run stopped. "
        + "If it was moved, move it back and continue with --resume: "
        + "everything up to its last checkpoint is in it."
    case .file(.diskFull(let path)):
      "No space is left to write \(path). Nothing written before is lost: "
        + "make room and continue with --resume."
    case .file(.missingFolder(let path)):
      Self.vanished(path: path).description
    case .file(let error): error.description
    case .notEncoded(let path, let reason):
      "Cannot encode \(path): \(reason)."
    case .notFinite(let path, let name, let value):
      "The metric \(name) is \(value), so no line was added to \(path)."
    case .logMismatch(let path, let offset, let reason):
      "\(path) does not fit the checkpoint, which recorded \(offset) bytes: \(reason). "
        + "It was changed by something else; restore it or start a new run."
    case .unreadable(let path, let line, let reason):
      "\(path):\(line): \(reason)."
    case .checkpointDamaged(let path, let reason):
      "The checkpoint \(path) is damaged: \(reason)."
    case .noCheckpoint(let path, let number, let found):
      "There is no checkpoint \(number) in \(path); "
        + (found.isEmpty
          ? "there is none at all." : "there is \(found.map(String.init).joined(separator: ", ")).")
    case .noSoundCheckpoint(let path, let reasons):
      "Every checkpoint in \(path) is damaged (\(reasons.joined(separator: "; "))). "
        + "Restore one from a backup, or start a new run."
    case .checkpointsLost(let path):
      "The run has trained, and \(path) holds no checkpoint: was it moved or removed, or is its "
        + "disk not mounted? Bring it back, or start a new run in another directory with "
        + "--run-dir; nothing was changed."
    case .checkpointNotWritten(let path, let reason):
      "The checkpoint \(path) was not written: \(reason). Earlier checkpoints are "
        + "untouched: once the cause is removed (a full disk: make room), --resume goes on from "
        + "the last."
    }
  }

  private static func holder(_ pid: Int?, _ host: String?) -> String {
    guard let pid else { return "" }
    return host.map { " (process \(pid) on \($0))" } ?? " (process \(pid))"
  }
}

/// The value of file operations, whose error becomes that of a run.
func onDisk<Result: ~Copyable>(
  _ operation: @autoclosure () throws(FileError) -> Result
) throws(RunError) -> Result {
  do { return try operation() } catch { throw .file(error) }
}
