import Foundation
internal import Foundations

/// A run on disk. `docs/run-directory.md` describes what each file holds.
///
/// The value holds the run's lock.
package final class RunDirectory {
  /// Whether a run is started or resumed.
  package enum Mode: Equatable, Sendable {
    /// A new run; the directory must be absent, empty, or hold a run that has no recipe yet.
    case create
    /// The run in the directory is resumed.
    case resume
    /// Another process of the same run has opened the directory, has put a mark there, and writes
    /// all but `ranks`. A file system of several hosts may show the mark a little later.
    case follow(mark: String, within: Duration)

    var isFollowing: Bool { if case .follow = self { true } else { false } }
  }

  /// The directory, absolute.
  package let path: String
  private let lock: RunLock?
  private let identity: FileStatus

  /// Opens a run directory for writing and takes its lock.
  ///
  /// - Parameter launch: the launch that this process belongs to, for ``wasOpened(_:by:)``.
  /// - Throws: `holdsAnotherRun`, `notARun`, `noRun`, `checkpointsLost`, `notShared`, `locked`,
  ///   `noLocks`, or a file error.
  package init(_ path: String, mode: Mode, launch: String? = nil) throws(RunError) {
    let path = Self.absolute(path)
    self.path = path
    switch mode {
    case .create:
      try Self.checkUnused(path)
      try onDisk(FileTree.makeFolder(path))
    case .resume:
      guard try Self.holdsRun(path) else { throw .noRun(path: path) }
      try Self.checkVersion(path)
    case .follow(let mark, let patience):
      let deadline = ContinuousClock.now + patience
      while try onDisk(FileStatus(path: Self.place(of: mark, in: path))) == nil {
        guard ContinuousClock.now < deadline else { throw .notShared(path: path) }
        Thread.sleep(forTimeInterval: 0.1)
      }
    }
    lock = mode.isFollowing ? nil : try RunLock(path + "/lock", launch: launch)
    // Another process may have begun a run between the check and the lock.
    if mode == .create { try Self.checkUnused(path) }
    guard let identity = try onDisk(FileStatus(path: path)) else { throw .vanished(path: path) }
    self.identity = identity
    guard !mode.isFollowing else { return }
    if mode == .resume { try checkCheckpoints() }
    for folder in [samples, checkpoints, tree] { try onDisk(FileTree.makeFolder(folder)) }
    // `CheckpointStore` does the same for checkpoints; other folders are replaced as wholes.
    for folder in [path, samples, tree] where mode == .resume {
      try onDisk(ReplacementFolder.clearLeftovers(in: folder))
    }
  }

  /// The resolved recipe, YAML.
  package var recipe: String { path + "/recipe.yaml" }
  /// Metrics, one JSON object per line.
  package var metrics: String { path + "/metrics.jsonl" }
  /// Times, one JSON object per line.
  package var timings: String { path + "/timings.jsonl" }
  /// Messages of the run, one per line.
  package var log: String { path + "/log.txt" }
  /// The folder of the messages of every process but the first, where a run has several.
  package var ranks: String { path + "/ranks" }
  /// The messages of one process.
  package func log(ofRank rank: Int) -> String { rank == 0 ? log : "\(ranks)/log-\(rank).txt" }
  /// The outcome (see `RunSummary`).
  package var summary: String { path + "/summary.json" }
  /// The folder of the recorded branch tree (see `BranchTree`).
  package var tree: String { path + "/tree" }
  /// The folder of sample grids (see `SampleSheet`).
  package var samples: String { path + "/samples" }
  /// The folder of checkpoints.
  package var checkpoints: String { path + "/checkpoints" }
  /// The folder of the trained adapters, made when they are written.
  package var adapters: String { path + "/adapters" }
  /// The folder of the trained pipeline, made when it is written.
  package var model: String { path + "/model" }
  /// The folder of the outcomes of earlier ends, made when a run goes on after one.
  package var ended: String { path + "/ended" }

  /// Puts a mark there by which other processes of the run know the directory.
  package func put(mark: String) throws(RunError) {
    try onDisk(AtomicFile.write("", to: Self.place(of: mark, in: path)))
  }

  /// Takes the mark away, once all have seen it.
  package func remove(mark: String) throws(RunError) {
    try onDisk(FileTree.remove(Self.place(of: mark, in: path)))
  }

  /// What a killed process leaves is removed as other leftovers are.
  private static func place(of mark: String, in path: String) -> String {
    "\(path)/.tmp-mark-\(mark)"
  }

  /// Whether the recipe has been written; a run killed before that has lost nothing.
  package func hasRecipe() throws(RunError) -> Bool { try exists(recipe) }

  /// Checks that the path still leads to the directory.
  ///
  /// - Throws: `vanished`.
  package func checkPresent() throws(RunError) {
    guard let found = try onDisk(FileStatus(path: path)), found.isSameFile(as: identity) else {
      throw .vanished(path: path)
    }
  }

  /// Throws `checkpointsLost` where epochs have been trained, before the first of which there was a
  /// checkpoint, and there is none.
  private func checkCheckpoints() throws(RunError) {
    if try CheckpointStore.isEmpty(checkpoints), try hasTrained() {
      throw .checkpointsLost(path: checkpoints)
    }
  }

  private func hasTrained() throws(RunError) -> Bool {
    if try existsAny(outcome) { return true }
    guard try exists(metrics) else { return false }
    return try MetricsLog.read(metrics).contains {
      $0[MetricName.kind]?.string == MetricKind.epoch.rawValue
    }
  }

  /// Takes away the outcome of an earlier end of a run that goes on, which would be taken for that
  /// of the epochs to come: a result with its summary is put into `ended`, under its number of
  /// epochs, and the summary of a stop is removed. Sample grids and the branch tree say which epoch
  /// they are of, and stay.
  ///
  /// - Parameter epochs: the number of epochs completed, for a result without a summary.
  /// - Returns: the folder with the outcome; nil when there was none to keep.
  package func putOutcomeAside(epochs: Int) throws(RunError) -> String? {
    let endedSummary = try readableSummary()
    let folder = "\(ended)/\(CheckpointStore.name(endedSummary?.epochs ?? epochs))"
    // A process that was killed here may have left the summary alone.
    let isThere = try existsAny([adapters, model] + (endedSummary == nil ? [] : [folder]))
    guard isThere, endedSummary?.isFinished != false else {
      for path in outcome { try onDisk(FileTree.removeWhole(path)) }
      return nil
    }
    try onDisk(FileTree.makeFolder(folder))
    // The summary says of which epochs the results are, and goes last.
    for path in outcome {
      guard try exists(path) else { continue }
      let target = "\(folder)/\(FileTree.name(of: path))"
      try onDisk(FileTree.removeWhole(target))
      try onDisk(FileTree.rename(path, to: target))
      try onDisk(FileTree.synchronize(folder: self.path))
    }
    return folder
  }

  private var outcome: [String] { [adapters, model, summary] }

  /// The summary; nil without one, and for one of another version.
  private func readableSummary() throws(RunError) -> RunSummary? {
    guard try exists(summary) else { return nil }
    do throws(RunError) {
      return try RunSummary.read(summary)
    } catch .unreadable {
      return nil
    }
  }

  private func exists(_ path: String) throws(RunError) -> Bool {
    try onDisk(FileStatus(path: path)) != nil
  }

  private func existsAny(_ paths: [String]) throws(RunError) -> Bool {
    for path in paths {
      if try exists(path) { return true }
    }
    return false
  }

  /// The files that show that a directory holds a run.
  private static let marks = ["recipe.yaml", "metrics.jsonl", "summary.json"]
  /// The files and folders that a run makes before its recipe.
  private static let beginnings: Set<String> = [
    "lock", "samples", "checkpoints", "adapters", "tree", "log.txt", "ranks",
  ]

  private static func checkUnused(_ path: String) throws(RunError) {
    guard let status = try onDisk(FileStatus(path: path)) else { return }
    guard status.isDirectory else { throw .notARun(path: path, found: "a file of that name") }
    let names = try onDisk(FileTree.names(in: path))
    if names.contains(where: marks.contains) { throw .holdsAnotherRun(path: path) }
    if names.contains("checkpoints"),
      try !onDisk(FileTree.names(in: path + "/checkpoints")).isEmpty
    {
      throw .holdsAnotherRun(path: path)
    }
    if let foreign = names.first(where: { !beginnings.contains($0) && !$0.hasPrefix(".tmp-") }) {
      throw .notARun(path: path, found: foreign)
    }
  }

  private static func absolute(_ path: String) -> String {
    FileTree.absolutePath(path, in: FileManager.default.currentDirectoryPath)
  }
}

extension RunDirectory {
  /// Whether the last process that opened a run directory for writing belonged to a launch: then a
  /// process that this launch starts again goes on with the run.
  package static func wasOpened(_ path: String, by launch: String) throws(RunError) -> Bool {
    try RunLock.launch(path + "/lock") == launch
  }

  /// Whether a run has begun in a directory.
  private static func holdsRun(_ path: String) throws(RunError) -> Bool {
    for name in ["lock", "recipe.yaml"] {
      if try onDisk(FileStatus(path: "\(path)/\(name)")) != nil { return true }
    }
    return false
  }

  /// Checks, without the lock, that a directory holds a run of this version.
  ///
  /// - Throws: `noRun`, `earlierVersion`.
  package static func checkReadable(_ path: String) throws(RunError) {
    let recipe = try onDisk(FileStatus(path: path + "/recipe.yaml"))
    guard recipe != nil else { throw .noRun(path: path) }
    try checkVersion(path)
  }

  /// Throws `earlierVersion` when the resolved recipe, which holds every key, has a renamed one.
  private static func checkVersion(_ path: String) throws(RunError) {
    let recipe = path + "/recipe.yaml"
    guard try onDisk(FileStatus(path: recipe)) != nil else { return }
    let lines = try onDisk(AtomicFile.read(recipe)).split(separator: UInt8(ascii: "\n"))
    if lines.contains(where: { $0.starts(with: "text_cache:".utf8) }) {
      throw .earlierVersion(path: path)
    }
  }
}
