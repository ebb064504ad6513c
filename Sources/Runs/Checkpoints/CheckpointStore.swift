internal import Foundations

/// A checkpoint that was verified against its manifest.
package struct Checkpoint: Sendable, Hashable {
  /// The number it was saved under, for example the epoch.
  package let number: Int
  /// Its folder.
  package let path: String
  /// The file with the digests of the others.
  package var manifest: String { "\(path)/\(CheckpointManifest.fileName)" }
}

/// The checkpoints of a run: numbered folders that are whole or not there.
///
/// A checkpoint is written with its `manifest.json` beside its place (see `ReplacementFolder`),
/// flushed, and renamed to `000012`. A process killed at any moment leaves either no new checkpoint
/// or a whole one. The caller holds the run's lock.
package final class CheckpointStore {
  private let folder: String
  private let keep: Int
  /// The checkpoints that this process verified or wrote.
  private var sound: [Int: Bool] = [:]

  /// Opens the folder of checkpoints and removes what a killed process left in it.
  ///
  /// - Parameter keep: how many sound checkpoints pruning leaves, at least 1.
  package init(_ folder: String, keep: Int) throws(RunError) {
    precondition(keep >= 1, "at least one checkpoint must be kept")
    self.folder = folder
    self.keep = keep
    try onDisk(FileTree.makeFolder(folder))
    try onDisk(ReplacementFolder.clearLeftovers(in: folder))
  }

  /// The numbers of all checkpoints, sound or damaged, ascending.
  package func numbers() throws(RunError) -> [Int] { try Self.numbers(in: folder) }

  private static func numbers(in folder: String) throws(RunError) -> [Int] {
    try onDisk(FileTree.names(in: folder)).compactMap { name in
      name.utf8.count >= 6 && name.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(name) : nil
    }.sorted()
  }

  /// Writes a checkpoint and prunes older ones; one of the same number is replaced.
  ///
  /// - Parameters:
  ///   - number: ascending through a run; 0 or more.
  ///   - write: writes the files into the folder it receives; subfolders are allowed.
  /// - Throws: `vanished`, `checkpointNotWritten` with the closure's error, or a file error;
  ///   earlier checkpoints are then unchanged.
  @discardableResult
  package func save(
    _ number: Int, write: (_ folder: String) throws -> Void
  ) throws(RunError) -> Checkpoint {
    precondition(number >= 0, "a checkpoint's number is not negative")
    guard try onDisk(FileTree.isFolder(folder)) else { throw .vanished(path: folder) }
    do throws(RunError) {
      let replacement = try onDisk(ReplacementFolder(path(number)))
      try fill(replacement.draft, number, write)
      try onDisk(replacement.commit())
    } catch {
      guard try onDisk(FileTree.isFolder(folder)) else { throw .vanished(path: folder) }
      throw error
    }
    sound[number] = true
    try removeDamaged(upTo: number)
    try prune()
    return Checkpoint(number: number, path: path(number))
  }

  /// The newest sound checkpoint, and the damage of newer ones.
  ///
  /// - Throws: `noSoundCheckpoint` when every checkpoint is damaged, or a file error.
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

  /// Whether a folder of checkpoints has none, or is not there.
  static func isEmpty(_ folder: String) throws(RunError) -> Bool {
    guard try onDisk(FileTree.isFolder(folder)) else { return true }
    guard try numbers(in: folder).isEmpty else { return false }
    // One that is being replaced may be all there is.
    return try !onDisk(FileTree.names(in: folder)).contains { $0.hasPrefix(".old-") }
  }

  /// Takes checkpoints out of the way of a run that goes on from an earlier one, whose logs end
  /// before theirs: `000030` becomes `.damaged-000030`, until the run has saved that many epochs.
  ///
  /// - Parameter number: that of the checkpoint that the run goes on from.
  package func putAside(newerThan number: Int) throws(RunError) {
    for newer in try numbers() where newer > number {
      try onDisk(FileTree.removeWhole(damagedPath(newer)))
      try onDisk(FileTree.rename(path(newer), to: damagedPath(newer)))
      sound[newer] = nil
    }
  }

  /// Verifies one checkpoint.
  ///
  /// - Throws: `checkpointDamaged`, or a file error.
  package func checkpoint(_ number: Int) throws(RunError) -> Checkpoint {
    if let damage = try damage(of: number) { throw damage }
    return Checkpoint(number: number, path: path(number))
  }

  /// Verifies one checkpoint, read-only: another process may be writing to the folder.
  ///
  /// - Throws: `noCheckpoint`, `checkpointDamaged`, or a file error.
  package static func read(_ number: Int, in folder: String) throws(RunError) -> Checkpoint {
    let numbers = try onDisk(FileTree.isFolder(folder)) ? numbers(in: folder) : []
    guard numbers.contains(number) else {
      throw .noCheckpoint(path: folder, number: number, found: numbers)
    }
    let path = path(number, in: folder)
    do throws(RunError) {
      try verify(number, at: path)
    } catch {
      // The run has removed it meanwhile.
      guard try onDisk(FileStatus(path: path)) != nil else {
        throw .noCheckpoint(path: folder, number: number, found: try self.numbers(in: folder))
      }
      throw error
    }
    return Checkpoint(number: number, path: path)
  }

  // MARK: - Saving

  private func fill(
    _ draft: String, _ number: Int, _ write: (String) throws -> Void
  ) throws(RunError) {
    do {
      try write(draft)
    } catch let error as RunError {
      throw error
    } catch let error as FileError {
      throw .file(error)
    } catch {
      throw .checkpointNotWritten(path: path(number), reason: "\(error)")
    }
    let manifest = try CheckpointManifest(number: number, describing: draft)
    try onDisk(AtomicFile.write(manifest.text, to: "\(draft)/\(CheckpointManifest.fileName)"))
  }

  /// Removes all but the newest `keep` sound checkpoints; damaged ones do not count.
  private func prune() throws(RunError) {
    var kept = 0
    for number in try numbers().reversed() {
      if kept == keep {
        try onDisk(FileTree.removeWhole(path(number)))
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
      switch error {
      case .checkpointDamaged: return error
      // An earlier one is as good.
      case .file(let fault) where fault.isMediumFault:
        return .checkpointDamaged(path: path(number), reason: fault.description)
      default: throw error
      }
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

  private func path(_ number: Int) -> String { Self.path(number, in: folder) }

  private static let damagedPrefix = ".damaged-"

  private func damagedPath(_ number: Int) -> String {
    "\(folder)/\(Self.damagedPrefix)\(Self.name(number))"
  }

  private func removeDamaged(upTo number: Int) throws(RunError) {
    for name in try onDisk(FileTree.names(in: folder)) where name.hasPrefix(Self.damagedPrefix) {
      guard let old = Int(name.dropFirst(Self.damagedPrefix.count)), old <= number else { continue }
      try onDisk(FileTree.removeWhole("\(folder)/\(name)"))
    }
  }

  private static func path(_ number: Int, in folder: String) -> String {
    "\(folder)/\(name(number))"
  }

  /// At least six digits.
  static func name(_ number: Int) -> String { number.digits(6) }
}
