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

/// Copies a folder's files, those in folders below included; links become what they point to.
func copyFolder(_ source: String, to target: String) throws(PipelineError) {
  try makeFolder(target)
  let names = try reading(source) {
    try FileManager.default.contentsOfDirectory(atPath: source)
  }
  for name in names.sorted() {
    var isFolder: ObjCBool = false
    let file = "\(source)/\(name)"
    if FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), isFolder.boolValue {
      try copyFolder(file, to: "\(target)/\(name)")
    } else {
      try copyFile(file, to: "\(target)/\(name)")
    }
  }
}

/// Copies a file; a link becomes what it points to.
func copyFile(_ source: String, to target: String) throws(PipelineError) {
  try writing(target) {
    try FileManager.default.copyItem(
      at: URL(fileURLWithPath: source).resolvingSymlinksInPath(),
      to: URL(fileURLWithPath: target))
  }
}
