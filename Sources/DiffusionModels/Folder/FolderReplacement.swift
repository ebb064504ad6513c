import Foundation
import Foundations

/// Writes a folder in one step; see `ReplacementFolder`.
///
/// - Parameter write: fills the folder at its argument, which is new and empty.
/// - Throws: what `write` throws, or `PipelineError.unwritable`; an older folder is then unchanged.
package func writeFolder(
  _ folder: String, _ write: (_ draft: String) throws(PipelineError) -> Void
) throws(PipelineError) {
  let path = FileTree.absolutePath(folder, in: FileManager.default.currentDirectoryPath)
  let replacement = try writing(folder) { try ReplacementFolder(path) }
  try write(replacement.draft)
  try writing(folder) { try replacement.commit() }
}

/// Copies the files of a folder and its subfolders; links are replaced by their targets.
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

/// Copies a file; a link is replaced by its target.
func copyFile(_ source: String, to target: String) throws(PipelineError) {
  try writing(target) {
    try FileManager.default.copyItem(
      at: URL(fileURLWithPath: source).resolvingSymlinksInPath(),
      to: URL(fileURLWithPath: target))
  }
}
