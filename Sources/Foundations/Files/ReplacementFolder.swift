#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder filled beside its destination, which it replaces as a whole when complete.
///
/// The draft is `.tmp-NAME-RANDOM`. An older folder waits as `.old-NAME` while the draft is
/// renamed. A process killed at any moment leaves the old folder or the new one;
/// `clearLeftovers(in:)` removes the rest, and the next replacement of the folder what is older
/// than a day. Nothing is left behind when the value goes before `commit()`.
package final class ReplacementFolder {
  /// The new, empty folder to fill.
  package let draft: String
  private let path: String
  private var isCommitted = false

  /// Makes the draft, and the folder that holds it.
  package init(_ path: String) throws(FileError) {
    let folder = FileTree.parent(of: path)
    self.path = "\(folder)/\(FileTree.name(of: path))"
    draft = FileTree.temporary(beside: self.path)
    try Self.clearAbandoned(of: self.path)
    try FileTree.makeFolder(draft)
  }

  private static let oldPrefix = ".old-"

  /// Where an older folder waits.
  private static func oldFolder(of path: String) -> String {
    "\(FileTree.parent(of: path))/\(oldPrefix)\(FileTree.name(of: path))"
  }

  /// Gives a folder that was set aside its name back where it has no successor, and removes the
  /// drafts of processes that were killed.
  private static func clearAbandoned(of path: String) throws(FileError) {
    let (folder, name) = (FileTree.parent(of: path), FileTree.name(of: path))
    guard try FileTree.isFolder(folder) else { return }
    let old = oldFolder(of: path)
    if try FileStatus(path: path) == nil, try FileStatus(path: old) != nil {
      try FileTree.rename(old, to: path)
    }
    try FileTree.removeAbandoned(in: folder, named: ".tmp-\(name)-")
  }

  deinit {
    // Leftovers that cannot be removed now are removed by `clearLeftovers(in:)`.
    if !isCommitted { FileTree.removeLeftover(draft) }
  }

  /// Flushes what the draft holds and renames it to its destination.
  ///
  /// - Throws: a file error; an older folder is then in its place, or waits as `.old-NAME`.
  package func commit() throws(FileError) {
    let (files, folders) = try FileTree.contents(of: draft)
    for file in files { try OpenFile("\(draft)/\(file)", for: .reading).synchronize() }
    for folder in folders { try FileTree.synchronize(folder: "\(draft)/\(folder)") }
    try FileTree.synchronize(folder: draft)
    let old = Self.oldFolder(of: path)
    if try FileStatus(path: path) != nil {
      FileTree.removeLeftover(old)
      if try FileStatus(path: old) != nil {
        try FileTree.rename(old, to: FileTree.temporary(beside: path))
      }
      try FileTree.rename(path, to: old)
    }
    try FileTree.rename(draft, to: path)
    isCommitted = true
    FileTree.removeLeftover(old)
  }

  /// Removes what killed processes left in a folder: drafts of files and folders, and folders set
  /// aside whose successor is in place. One without a successor gets its name back. What cannot be
  /// removed stays.
  package static func clearLeftovers(in folder: String) throws(FileError) {
    for name in try FileTree.names(in: folder) {
      let leftover = "\(folder)/\(name)"
      if name.hasPrefix(".tmp-") {
        FileTree.removeLeftover(leftover)
      } else if name.hasPrefix(oldPrefix) {
        let target = "\(folder)/\(name.dropFirst(oldPrefix.count))"
        if try FileStatus(path: target) == nil {
          try FileTree.rename(leftover, to: target)
        } else {
          FileTree.removeLeftover(leftover)
        }
      }
    }
  }
}
