#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Operations on files and folders by their paths.
package enum FileTree {
  /// Makes a folder and those above it, and waits until their names are on the disk.
  ///
  /// A folder that exists is left as it is.
  package static func makeFolder(_ path: String) throws(FileError) {
    if try isFolder(path) { return }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
      try makeFolder(String(path[..<slash]))
    }
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw FileError(errno, path: path, operation: "make the folder")
    }
    guard try isFolder(path) else {
      throw FileError.system(
        path: path, operation: "make the folder", reason: "a file has that name")
    }
    try synchronize(folder: parent(of: path))
  }

  /// A path beside another one for its successor, which no other process has: those of containers
  /// that share a folder may have one number. It begins with `.tmp-`, as leftovers do.
  static func temporary(beside path: String) -> String {
    let suffix = String(UInt64.random(in: 0 ... .max), radix: 36)
    return "\(parent(of: path))/.tmp-\(name(of: path))-\(suffix)"
  }

  /// Whether a folder is at the path.
  package static func isFolder(_ path: String) throws(FileError) -> Bool {
    try FileStatus(path: path)?.isDirectory ?? false
  }

  /// The names in a folder, without `.` and `..`, sorted by their bytes.
  package static func names(in folder: String) throws(FileError) -> [String] {
    guard let stream = opendir(folder) else {
      throw FileError(errno, path: folder, operation: "list")
    }
    defer { closedir(stream) }
    var names: [String] = []
    // An error of `readdir`, as of a network's file system, differs from its end by `errno` alone.
    errno = 0
    while let entry = readdir(stream) {
      let capacity = MemoryLayout.size(ofValue: entry.pointee.d_name)
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: capacity) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw FileError(errno, path: folder, operation: "list") }
    return names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
  }

  /// The files below a folder as paths relative to it, and the folders, deepest last.
  package static func contents(
    of folder: String
  ) throws(FileError) -> (files: [String], folders: [String]) {
    var files: [String] = []
    var folders: [String] = []
    for name in try names(in: folder) {
      guard try isFolder("\(folder)/\(name)") else {
        files.append(name)
        continue
      }
      let below = try contents(of: "\(folder)/\(name)")
      folders.append(name)
      folders += below.folders.map { "\(name)/\($0)" }
      files += below.files.map { "\(name)/\($0)" }
    }
    return (files, folders)
  }

  /// Renames a file or folder, and makes the new name durable.
  package static func rename(_ source: String, to target: String) throws(FileError) {
    #if canImport(Glibc)
      let result = Glibc.rename(source, target)
    #else
      let result = Darwin.rename(source, target)
    #endif
    guard result == 0 else { throw FileError(errno, path: source, operation: "rename") }
    try synchronize(folder: parent(of: target))
  }

  /// Removes a file, or a folder with its contents; a missing path is left alone.
  package static func remove(_ path: String) throws(FileError) {
    var found = stat()
    guard lstat(path, &found) == 0 else {
      if errno == ENOENT { return }
      throw FileError(errno, path: path, operation: "remove")
    }
    let isFolder = found.st_mode & S_IFMT == S_IFDIR
    if isFolder {
      for name in try names(in: path) { try remove("\(path)/\(name)") }
    }
    guard (isFolder ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT else {
      throw FileError(errno, path: path, operation: "remove")
    }
  }

  /// Removes a file, or a folder with its contents, as `remove(_:)` does, but at once: a process
  /// that is killed meanwhile leaves all of it or a leftover for
  /// `ReplacementFolder.clearLeftovers(in:)`.
  package static func removeWhole(_ path: String) throws(FileError) {
    guard try FileStatus(path: path) != nil else { return }
    let leftover = temporary(beside: path)
    try rename(path, to: leftover)
    removeLeftover(leftover)
  }

  /// Removes what nobody needs any more as far as that is possible. NFS keeps a file that another
  /// process reads, and its folder with it, until that process ends; it is removed with the
  /// leftovers of a later opening.
  static func removeLeftover(_ path: String) {
    do throws(FileError) { try remove(path) } catch _ {}
  }

  /// Removes what processes that were killed have left in a folder under names with a beginning.
  /// What is younger than a day stays: another process may be writing it.
  package static func removeAbandoned(
    in folder: String, named beginning: String = ".tmp-"
  ) throws(FileError) {
    let aDayAgo = Int(time(nil)) - 86_400
    for name in try names(in: folder) where name.hasPrefix(beginning) {
      guard let status = try FileStatus(path: "\(folder)/\(name)"), status.modified < aDayAgo
      else { continue }
      removeLeftover("\(folder)/\(name)")
    }
  }

  /// Waits until the names in a folder are on the disk.
  package static func synchronize(folder: String) throws(FileError) {
    try OpenFile(folder, for: .reading).synchronize()
  }

  /// The folder that a path lies in.
  package static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The name of a path in its folder.
  package static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  /// An absolute path without `.`, `..` and doubled slashes. Links are not followed.
  ///
  /// - Parameter folder: the absolute folder that a relative path starts from.
  package static func absolutePath(_ path: String, in folder: String) -> String {
    let whole = path.hasPrefix("/") ? path : folder + "/" + path
    var parts: [Substring] = []
    for part in whole.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }
}
