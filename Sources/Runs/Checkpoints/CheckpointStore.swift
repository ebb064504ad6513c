/// A checkpoint that was verified against its manifest.
package struct Checkpoint: Sendable, Hashable {
  /// The number it was saved under, for example the epoch.
  package let number: Int
  /// Its folder.
  package let path: String
}

/// The checkpoints of a run: numbered folders that are whole or not there.
///
/// A checkpoint is written in a folder `.tmp-000012`, each file is flushed, `manifest.json` is
/// added, and the folder is renamed to `000012`. A process killed at any moment leaves either no
/// new checkpoint or a whole one. The caller holds the run's lock.
package final class CheckpointStore {
  private let folder: String
  private let keep: Int
  /// What has been verified, or written, in this process.
  private var sound: [Int: Bool] = [:]

  /// Opens the folder of checkpoints and clears what a killed process left in it.
  ///
  /// - Parameter keep: how many sound checkpoints pruning leaves, at least 1.
  package init(_ folder: String, keep: Int) throws(RunError) {
    precondition(keep >= 1, "at least one checkpoint must be kept")
    self.folder = folder
    self.keep = keep
    try FileTree.makeFolder(folder)
    try clearLeftovers()
  }

  /// The numbers of the checkpoints that are there, sound or not, ascending.
  package func numbers() throws(RunError) -> [Int] { try Self.numbers(in: folder) }

  private static func numbers(in folder: String) throws(RunError) -> [Int] {
    try FileTree.names(in: folder).compactMap { name in
      name.utf8.count >= 6 && name.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(name) : nil
    }.sorted()
  }

  /// Writes a checkpoint and prunes older ones.
  ///
  /// One of the same number is replaced.
  ///
  /// - Parameters:
  ///   - number: ascending through a run; 0 or more.
  ///   - write: writes the files into the folder it is given; it may make subfolders.
  /// - Throws: `vanished`, `diskFull`, `checkpointNotWritten` with the closure's error, or a file
  ///   error; earlier checkpoints are then as they were.
  @discardableResult
  package func save(
    _ number: Int, write: (_ folder: String) throws -> Void
  ) throws(RunError) -> Checkpoint {
    precondition(number >= 0, "a checkpoint's number is not negative")
    guard try FileTree.isFolder(folder) else { throw .vanished(path: folder) }
    let temporary = path(number, prefix: ".tmp-")
    try FileTree.remove(temporary)
    try FileTree.makeFolder(temporary)
    do throws(RunError) {
      try fill(temporary, number, write)
      try install(temporary, number)
    } catch {
      // The error that counts is the first; leftovers are cleared when the run is opened again.
      do throws(RunError) { try FileTree.remove(temporary) } catch _ {}
      guard try FileTree.isFolder(folder) else { throw .vanished(path: folder) }
      throw error
    }
    sound[number] = true
    try prune()
    return Checkpoint(number: number, path: path(number))
  }

  /// The newest checkpoint that is sound, and why newer ones are not.
  ///
  /// - Throws: `noSoundCheckpoint` when there are checkpoints and all are damaged, or a file error.
  package func newest() throws(RunError) -> (checkpoint: Checkpoint?, damaged: [RunError]) {
    var damaged: [RunError] = []
    for number in try numbers().reversed() {
      if let damage = try damage(of: number) {
        damaged.append(damage)
      } else {
        return (Checkpoint(number: number, path: path(number)), damaged)
      }
    }
    guard damaged.isEmpty else {
      throw .noSoundCheckpoint(path: folder, reasons: damaged.map(\.description))
    }
    return (nil, [])
  }

  /// Verifies one checkpoint.
  ///
  /// - Throws: `checkpointDamaged`, or a file error.
  package func checkpoint(_ number: Int) throws(RunError) -> Checkpoint {
    if let damage = try damage(of: number) { throw damage }
    return Checkpoint(number: number, path: path(number))
  }

  /// Verifies one checkpoint in a folder that another process may be writing to; changes nothing.
  ///
  /// - Throws: `noCheckpoint`, `checkpointDamaged`, or a file error.
  package static func read(_ number: Int, in folder: String) throws(RunError) -> Checkpoint {
    let numbers = try FileTree.isFolder(folder) ? numbers(in: folder) : []
    guard numbers.contains(number) else {
      throw .noCheckpoint(path: folder, number: number, found: numbers)
    }
    let path = path(number, in: folder)
    try verify(number, at: path)
    return Checkpoint(number: number, path: path)
  }

  // MARK: - Saving

  private func fill(
    _ temporary: String, _ number: Int, _ write: (String) throws -> Void
  ) throws(RunError) {
    do {
      try write(temporary)
    } catch let error as RunError {
      throw error
    } catch {
      throw .checkpointNotWritten(path: path(number), reason: "\(error)")
    }
    let manifest = try CheckpointManifest(number: number, describing: temporary)
    try AtomicFile.write(manifest.text, to: "\(temporary)/\(CheckpointManifest.fileName)")
    let (files, folders) = try FileTree.contents(of: temporary)
    for file in files { try OpenFile("\(temporary)/\(file)", for: .reading).synchronize() }
    for below in folders { try FileTree.synchronize(folder: "\(temporary)/\(below)") }
    try FileTree.synchronize(folder: temporary)
  }

  /// Renames into place; a checkpoint of the same number is set aside until that is done.
  private func install(_ temporary: String, _ number: Int) throws(RunError) {
    let target = path(number)
    let old = path(number, prefix: ".old-")
    if try FileStatus(path: target) != nil {
      try FileTree.remove(old)
      try FileTree.rename(target, to: old)
    }
    try FileTree.rename(temporary, to: target)
    try FileTree.remove(old)
  }

  /// Removes all but the newest `keep` sound checkpoints; damaged ones count for nothing.
  private func prune() throws(RunError) {
    var kept = 0
    for number in try numbers().reversed() {
      if kept == keep {
        // A removal that is cut short leaves what the next opening clears.
        let leaving = path(number, prefix: ".tmp-")
        try FileTree.remove(leaving)
        try FileTree.rename(path(number), to: leaving)
        try FileTree.remove(leaving)
        sound[number] = nil
      } else if try damage(of: number) == nil {
        kept += 1
      }
    }
  }

  // MARK: - Verifying

  private func damage(of number: Int) throws(RunError) -> RunError? {
    if sound[number] == true { return nil }
    do throws(RunError) {
      try Self.verify(number, at: path(number))
    } catch {
      guard case .checkpointDamaged = error else { throw error }
      return error
    }
    sound[number] = true
    return nil
  }

  private static func verify(_ number: Int, at path: String) throws(RunError) {
    let manifest = try CheckpointManifest(readFrom: path)
    guard manifest.number == number else {
      throw .checkpointDamaged(path: path, reason: "it holds number \(manifest.number)")
    }
    try manifest.verify(path)
  }

  /// Removes unfinished folders. A checkpoint that was set aside comes back when its successor is
  /// not in place.
  private func clearLeftovers() throws(RunError) {
    for name in try FileTree.names(in: folder) {
      let leftover = "\(folder)/\(name)"
      if name.hasPrefix(".tmp-") {
        try FileTree.remove(leftover)
      } else if name.hasPrefix(".old-") {
        let target = "\(folder)/\(name.dropFirst(".old-".count))"
        if try FileStatus(path: target) == nil {
          try FileTree.rename(leftover, to: target)
        } else {
          try FileTree.remove(leftover)
        }
      }
    }
  }

  private func path(_ number: Int, prefix: String = "") -> String {
    Self.path(number, in: folder, prefix: prefix)
  }

  private static func path(_ number: Int, in folder: String, prefix: String = "") -> String {
    let digits = String(number)
    let zeros = String(repeating: "0", count: max(0, 6 - digits.count))
    return "\(folder)/\(prefix)\(zeros)\(digits)"
  }
}
