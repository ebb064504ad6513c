internal import Foundation
import Foundations
internal import Runs

/// Pictures of a run as SVG files.
package enum RunPictures {
  /// Writes `before-after.svg` and `branch-tree.svg` into a folder, which is made if it is missing.
  ///
  /// A run without two sample grids, or without a branch tree, has no such file.
  ///
  /// - Returns: the paths of the written files.
  /// - Throws: `ReportError` when there is no run, a file of it is damaged, or writing fails.
  package static func write(run path: String, to folder: String) throws(ReportError) -> [String] {
    let run = try RunRecord(path)
    var files: [(name: String, text: String)] = []
    if let before = run.before, let after = run.after,
      let strip = SampleStrip(before: before, after: after).file()
    {
      files.append(("before-after.svg", strip))
    }
    if let tree = run.tree {
      let links = try TreeSection(run).links
      let picture = BranchTreePicture(tree: tree) { links[$0] }
      files.append(
        ("branch-tree.svg", picture.picture(id: "tree", standalone: true).rendered() + "\n"))
    }
    do throws(FileError) {
      try FileTree.makeFolder(folder)
      return try files.map { file throws(FileError) in
        let target = "\(folder)/\(file.name)"
        try AtomicFile.write(file.text, to: target)
        return target
      }
    } catch {
      throw .run(.file(error))
    }
  }
}
