#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Operations on folders, each with typed errors.
enum FileTree {
  /// Makes a folder and what leads to it, durably; one that exists is left as it is.
  static func makeFolder(_ path: String) throws(RunError) {
    if try isFolder(path) { return }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
      try makeFolder(String(path[..<slash]))
    }
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw RunError(errno, path: path, operation: "make the folder")
    }
    guard try isFolder(path) else {
      throw RunError.system(
        path: path, operation: "make the folder", reason: "a file has that name")
    }
    try synchronize(folder: parent(of: path))
  }

  /// Whether a folder is at the path.
  static func isFolder(_ path: String) throws(RunError) -> Bool {
    try FileStatus(path: path)?.isDirectory ?? false
  }

  /// The names in a folder, without `.` and `..`, sorted by their bytes.
  static func names(in folder: String) throws(RunError) -> [String] {
    guard let stream = opendir(folder) else {
      throw RunError(errno, path: folder, operation: "list")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let capacity = MemoryLayout.size(ofValue: entry.pointee.d_name)
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: capacity) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
  }

  /// The files below a folder as paths relative to it, and the folders, deepest last.
  static func contents(of folder: String) throws(RunError) -> (files: [String], folders: [String]) {
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
  static func rename(_ source: String, to target: String) throws(RunError) {
    #if canImport(Glibc)
      let result = Glibc.rename(source, target)
    #else
      let result = Darwin.rename(source, target)
    #endif
    guard result == 0 else { throw RunError(errno, path: source, operation: "rename") }
    try synchronize(folder: parent(of: target))
  }

  /// Removes a file or a folder with all it holds; what is not there is left alone.
  static func remove(_ path: String) throws(RunError) {
    var found = stat()
    guard lstat(path, &found) == 0 else {
      if errno == ENOENT { return }
      throw RunError(errno, path: path, operation: "remove")
    }
    let isFolder = found.st_mode & S_IFMT == S_IFDIR
    if isFolder {
      for name in try names(in: path) { try remove("\(path)/\(name)") }
    }
    guard (isFolder ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT else {
      throw RunError(errno, path: path, operation: "remove")
    }
  }

  /// Waits until the names in a folder are on the disk.
  static func synchronize(folder: String) throws(RunError) {
    try OpenFile(folder, for: .reading).synchronize()
  }

  /// The folder that a path lies in.
  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
