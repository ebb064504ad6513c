import Foundation

/// Writes a folder that is either complete or not there: beside its place, then renamed into it,
/// after an older one has been renamed out of the way.
///
/// - Parameter write: fills the folder it is given, which is new and empty.
/// - Throws: what `write` throws, or `PipelineError.unwritable`; an older folder is then unchanged.
func writeFolder(
  _ folder: String, _ write: (_ draft: String) throws(PipelineError) -> Void
) throws(PipelineError) {
  let target = URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL
  let draft = target.deletingLastPathComponent().appending(
    path: ".\(target.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier).partial")
  do {
    try makeFolder(draft.path)
    try write(draft.path)
    try replace(target, with: draft)
  } catch {
    if FileManager.default.fileExists(atPath: draft.path) {
      try writing(draft.path) {
        try FileManager.default.removeItem(at: draft)
      }
    }
    throw error
  }
}

private func replace(_ target: URL, with draft: URL) throws(PipelineError) {
  try writing(target.path) {
    let files = FileManager.default
    guard files.fileExists(atPath: target.path) else {
      return try files.moveItem(at: draft, to: target)
    }
    let old = draft.appendingPathExtension("old.partial")
    try files.moveItem(at: target, to: old)
    try files.moveItem(at: draft, to: target)
    try files.removeItem(at: old)
  }
}
