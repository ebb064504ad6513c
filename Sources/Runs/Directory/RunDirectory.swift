import Foundation

/// A run on disk. `docs/run-directory.md` describes what each file holds.
///
/// While a run directory is open for writing, it holds the run's lock.
package final class RunDirectory {
  /// Whether a directory is to hold a new run or to go on with one.
  package enum Mode: Sendable {
    /// A new run; the directory must be absent, empty, or hold a run that never got to its recipe.
    case create
    /// The run in the directory goes on.
    case resume
  }

  /// The directory, absolute.
  package let path: String
  private let lock: RunLock
  private let identity: FileStatus

  /// Opens a run directory for writing and takes its lock.
  ///
  /// - Throws: `holdsAnotherRun`, `notARun`, `noRun`, `locked`, or a file error.
  package init(_ path: String, mode: Mode) throws(RunError) {
    let path = Self.absolute(path)
    self.path = path
    switch mode {
    case .create:
      try Self.checkUnused(path)
      try FileTree.makeFolder(path)
    case .resume:
      let marks = try ["lock", "recipe.yaml"].map { name throws(RunError) in
        try FileStatus(path: "\(path)/\(name)")
      }
      guard marks.contains(where: { $0 != nil }) else { throw .noRun(path: path) }
      try Self.checkVersion(path)
    }
    lock = try RunLock(path + "/lock")
    // Another process may have begun a run between the look and the lock.
    if mode == .create { try Self.checkUnused(path) }
    guard let identity = try FileStatus(path: path) else { throw .vanished(path: path) }
    self.identity = identity
    if mode == .resume { try Self.clearLeftovers(path) }
    for folder in [samples, checkpoints, adapters, tree] { try FileTree.makeFolder(folder) }
  }

  /// The resolved recipe, YAML.
  package var recipe: String { path + "/recipe.yaml" }
  /// What the run measured, one JSON object per line.
  package var metrics: String { path + "/metrics.jsonl" }
  /// How long things took, one JSON object per line.
  package var timings: String { path + "/timings.jsonl" }
  /// What the run said, one line each.
  package var log: String { path + "/log.txt" }
  /// The outcome.
  package var summary: String { path + "/summary.json" }
  /// The report of the run.
  package var report: String { path + "/report.html" }
  /// The folder of the recorded branch tree (see `BranchTree`).
  package var tree: String { path + "/tree" }
  /// The folder of sample grids (see `SampleSheet`).
  package var samples: String { path + "/samples" }
  /// The folder of checkpoints.
  package var checkpoints: String { path + "/checkpoints" }
  /// The folder of exported adapters or weights.
  package var adapters: String { path + "/adapters" }

  /// Whether the run got as far as writing its recipe; a run killed before that has lost nothing.
  package func hasRecipe() throws(RunError) -> Bool { try FileStatus(path: recipe) != nil }

  /// Makes sure that the directory is still where it was.
  ///
  /// - Throws: `vanished`.
  package func checkPresent() throws(RunError) {
    guard let found = try FileStatus(path: path), found.isSameFile(as: identity) else {
      throw .vanished(path: path)
    }
  }

  /// The files by which a directory is known to hold a run.
  private static let marks = ["recipe.yaml", "metrics.jsonl", "summary.json"]
  /// What a run makes before its recipe.
  private static let beginnings: Set<String> = [
    "lock", "samples", "checkpoints", "adapters", "tree", "log.txt",
  ]

  private static func checkUnused(_ path: String) throws(RunError) {
    guard let status = try FileStatus(path: path) else { return }
    guard status.isDirectory else { throw .notARun(path: path, found: "a file of that name") }
    let names = try FileTree.names(in: path)
    if names.contains(where: marks.contains) { throw .holdsAnotherRun(path: path) }
    if names.contains("checkpoints"), try !FileTree.names(in: path + "/checkpoints").isEmpty {
      throw .holdsAnotherRun(path: path)
    }
    if let foreign = names.first(where: { !beginnings.contains($0) && !$0.hasPrefix(".tmp-") }) {
      throw .notARun(path: path, found: foreign)
    }
  }

  /// Removes what a killed process was writing beside a file or folder it never came to replace.
  /// `CheckpointStore` does the same for checkpoints.
  private static func clearLeftovers(_ folder: String) throws(RunError) {
    for name in try FileTree.names(in: folder) {
      let path = "\(folder)/\(name)"
      if name.hasPrefix(".tmp-") || name.hasSuffix(".partial") {
        try FileTree.remove(path)
      } else if name != "checkpoints", try FileTree.isFolder(path) {
        try clearLeftovers(path)
      }
    }
  }

  private static func absolute(_ path: String) -> String {
    RecipeReading.normalized(path, in: FileManager.default.currentDirectoryPath)
  }
}

extension RunDirectory {
  /// Makes sure that a directory holds a run that can be read, without taking its lock.
  ///
  /// - Throws: `noRun`, `earlierVersion`.
  package static func checkReadable(_ path: String) throws(RunError) {
    guard try FileStatus(path: path + "/recipe.yaml") != nil else { throw .noRun(path: path) }
    try checkVersion(path)
  }

  /// Refuses a run whose resolved recipe, which holds every key, has a key that was renamed.
  private static func checkVersion(_ path: String) throws(RunError) {
    let recipe = path + "/recipe.yaml"
    guard try FileStatus(path: recipe) != nil else { return }
    let lines = try AtomicFile.read(recipe).split(separator: UInt8(ascii: "\n"))
    if lines.contains(where: { $0.starts(with: "text_cache:".utf8) }) {
      throw .earlierVersion(path: path)
    }
  }
}
