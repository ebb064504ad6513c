internal import Foundations

/// The files of a checkpoint with their lengths and digests: `manifest.json`.
struct CheckpointManifest: Equatable {
  static let fileName = "manifest.json"
  private static let format = 1

  struct File: Equatable {
    /// Relative to the checkpoint's folder.
    let path: String
    let byteCount: Int
    let sha256: String
  }

  let number: Int
  let files: [File]

  /// Reads and hashes the files in a folder.
  init(number: Int, describing folder: String) throws(RunError) {
    self.number = number
    var files: [File] = []
    for path in try onDisk(FileTree.contents(of: folder)).files where path != Self.fileName {
      let (digest, byteCount) = try onDisk(SHA256.digest(ofFile: "\(folder)/\(path)"))
      files.append(File(path: path, byteCount: byteCount, sha256: digest))
    }
    self.files = files
  }

  /// Reads the manifest of a checkpoint.
  ///
  /// - Throws: `checkpointDamaged`, or a file error.
  init(readFrom folder: String) throws(RunError) {
    let path = "\(folder)/\(Self.fileName)"
    guard try onDisk(FileStatus(path: path)) != nil else {
      throw .checkpointDamaged(path: folder, reason: "\(Self.fileName) is missing")
    }
    let bytes = try onDisk(AtomicFile.read(path))
    let json: JSONValue
    do throws(JSONParser.Failure) {
      json = try JSONParser.parse(bytes[...])
    } catch {
      throw .checkpointDamaged(path: folder, reason: "\(Self.fileName): \(error.reason)")
    }
    guard json["format"] == .int(Self.format), let number = json["number"]?.int,
      let items = json["files"]?.array
    else {
      throw .checkpointDamaged(path: folder, reason: "\(Self.fileName) is not a manifest")
    }
    self.number = number
    var files: [File] = []
    for item in items {
      guard let path = item["path"]?.string, let byteCount = item["bytes"]?.int,
        let sha256 = item["sha256"]?.string
      else {
        throw .checkpointDamaged(path: folder, reason: "\(Self.fileName) is not a manifest")
      }
      files.append(File(path: path, byteCount: byteCount, sha256: sha256))
    }
    self.files = files
  }

  /// The text of `manifest.json`.
  var text: String {
    let files = files.map { file -> JSONValue in
      ["path": .string(file.path), "bytes": .int(file.byteCount), "sha256": .string(file.sha256)]
    }
    let json: JSONValue = [
      "format": .int(Self.format), "number": .int(number), "files": .array(files),
    ]
    return json.text + "\n"
  }

  /// Compares a folder with the manifest, file by file.
  ///
  /// - Throws: `checkpointDamaged` that names the file, or a file error.
  func verify(_ folder: String) throws(RunError) {
    for file in files {
      let path = "\(folder)/\(file.path)"
      guard let status = try onDisk(FileStatus(path: path)) else {
        throw .checkpointDamaged(path: folder, reason: "\(file.path) is missing")
      }
      guard status.byteCount == file.byteCount else {
        throw .checkpointDamaged(
          path: folder,
          reason: "\(file.path) has \(status.byteCount) bytes instead of \(file.byteCount)")
      }
      guard try onDisk(SHA256.digest(ofFile: path)).digest == file.sha256 else {
        throw .checkpointDamaged(path: folder, reason: "\(file.path) has a different SHA-256")
      }
    }
  }
}
