internal import Foundation
internal import Foundations
package import ProcessGroups
package import Recipes
internal import Rewards
package import Runs

/// Where a run writes: directory, logs, checkpoints and the progress line. Of several processes the
/// first writes everything; the others write their messages into files of their own.
@MainActor
package final class RunOutput {
  package let directory: RunDirectory
  package let progress: ProgressReporter
  /// The name of the recipe file that the run began with, without its ending. A resumed run may be
  /// given its own `recipe.yaml`.
  package internal(set) var recipeName: String
  /// nil where another process writes the checkpoints.
  let checkpoints: CheckpointStore?
  private let isResumed: Bool
  /// The rewards of a resumed run whose network is at another place, such as `rewards.0`.
  let movedNetworks: Set<String>
  /// The text of `recipe.yaml` where the run is resumed; nil once it is written.
  private var newRecipe: String?
  private let log: RunLog
  private var metrics: MetricsLog?
  private var timings: MetricsLog?

  /// Opens a run directory, a new one or one to resume, and writes the resolved recipe into a new
  /// one. That of a resumed run is written by `openLogs(at:)`, when its checkpoint is accepted.
  ///
  /// - Parameter launch: the launch that this process belongs to, which may start it again.
  /// - Throws: `RunError`; `TrainingError.otherRecipe` when a resumed run was made by a recipe
  ///   that differs in a setting that decides what an epoch does.
  package init(
    _ path: String, resume: Bool, launch: String? = nil, recipe: Recipe<TrainingRecipe>,
    recipeName: String, progress: ProgressReporter
  ) throws {
    directory = try RunDirectory(path, mode: resume ? .resume : .create, launch: launch)
    self.progress = progress
    self.recipeName = recipeName
    isResumed = resume
    log = try RunLog(directory.log)
    checkpoints = try CheckpointStore(
      directory.checkpoints, keep: recipe.settings.checkpoints.keep)
    var changed: [String] = []
    if resume, try directory.hasRecipe() {
      changed = try Self.compare(directory.recipe, with: recipe.resolved)
      newRecipe = recipe.resolved.text
    }
    movedNetworks = Set(
      changed.filter { RunFingerprint.isReward($0) && $0.hasSuffix(".model") }
        .map { String($0.dropLast(".model".count)) })
    if newRecipe == nil { try AtomicFile.write(recipe.resolved.text, to: directory.recipe) }
    for warning in recipe.warnings { try message("warning: \(warning)") }
    let lengths = changed.filter { ["epochs", "time_limit"].contains($0) }
    if recipe.settings.optimizer.cooldown > 0, !lengths.isEmpty {
      try message(
        "warning: \(lengths.joined(separator: " and ")) changed, and optimizer.cooldown lowers the "
          + "learning rate toward the end of the run, so from here on it is that of the new length")
    }
  }

  /// Opens one run directory on every process: the first writes it, the others follow.
  ///
  /// - Parameter leader: opens it on the first process.
  /// - Throws: what `leader` throws; `RunError.notShared` where a process has another directory at
  ///   this path; the failure of another process.
  package static func open(
    _ path: String, in group: ProcessGroup, recipeName: String,
    leader: @MainActor () throws -> RunOutput
  ) throws -> RunOutput {
    guard group.size > 1 else { return try leader() }
    let mark = try group.gather(UUID().uuidString, "naming the run directory")[0]
    let own = try group.agree("opening the run directory") {
      guard group.isLeader else { return nil as RunOutput? }
      let output = try leader()
      try output.directory.put(mark: mark)
      return output
    }
    do {
      let output = try group.agree("following the run directory") {
        try own
          ?? RunOutput(
            following: path, mark: mark, within: min(.seconds(30), group.timeout / 2),
            rank: group.rank, recipeName: recipeName)
      }
      try group.agree("the run directory's mark") { try own?.directory.remove(mark: mark) }
      return output
    } catch {
      // The error matters more than a file that a later start removes.
      do { try own?.directory.remove(mark: mark) } catch {}
      throw error
    }
  }

  /// Opens the directory of a run whose first process has opened it already.
  ///
  /// - Parameters:
  ///   - mark: that the first process has put there.
  ///   - patience: how long it may take to show.
  ///   - rank: the number of this process, 1...
  /// - Throws: `RunError`.
  private init(
    following path: String, mark: String, within patience: Duration, rank: Int, recipeName: String
  ) throws {
    directory = try RunDirectory(path, mode: .follow(mark: mark, within: patience))
    progress = .silent()
    self.recipeName = recipeName
    isResumed = false
    movedNetworks = []
    try FileTree.makeFolder(directory.ranks)
    log = try RunLog(directory.log(ofRank: rank))
    checkpoints = nil
  }

  /// From where a run that stops can go on, in a sentence.
  func resumption() throws(RunError) -> String {
    guard let checkpoints else {
      return "--resume goes on from the last checkpoint in \(directory.checkpoints)."
    }
    return try checkpoints.newest().checkpoint.map {
      "The last good checkpoint is \($0.path); --resume goes on from it."
    } ?? "There is no checkpoint yet."
  }

  /// Whether this process writes the run's files.
  private var isLeader: Bool { checkpoints != nil }

  /// Whether a resumed run may be given a setting such as `offload: blocks`, or several.
  nonisolated static func acceptsOnResume(_ setting: String) -> Bool {
    setting.split(separator: ", ").allSatisfy {
      ResumableSettings.mayChange(String($0.prefix { $0 != ":" }))
    }
  }

  /// The settings that differ from those of the recipe in a file, by their paths.
  ///
  /// - Throws: `TrainingError.otherRecipe` where one of them may not.
  private static func compare(
    _ path: String, with resolved: ResolvedRecipe
  ) throws -> [String] {
    // The model may be at another place now, and decides what other keys mean.
    let model = resolved.values.filter { $0.path == "model" }.map { "model=\($0.text)" }
    let earlier = try TrainingRecipe.read(path: path, overrides: model).resolved
    let differences = resolved.differences(from: earlier)
    let refused = differences.filter {
      !ResumableSettings.mayChange($0.path) && !isMoved($0, resolved)
    }
    guard refused.isEmpty else {
      throw TrainingError.otherRecipe(path: path, differences: refused.map(\.description))
    }
    return differences.map(\.path)
  }

  /// Whether a setting names the same thing at another place: another GPU, or another folder of a
  /// reward's network, whose content is compared by `RunFingerprint`.
  private static func isMoved(
    _ difference: ResolvedRecipe.Difference, _ resolved: ResolvedRecipe
  ) -> Bool {
    let keys = difference.path.split(separator: ".")
    if keys.last == "device" {
      return [difference.before, difference.after].allSatisfy { $0?.contains("cuda") == true }
    }
    guard keys.count == 3, keys[2] == "model" else { return false }
    let name = resolved.values.first { $0.path == "\(keys[0]).\(keys[1]).name" }?.text
    return RewardRegistry.all.contains { $0.name == name && $0 is any NetworkRewardFactory.Type }
  }

  /// Opens the logs. A resumed run's are cut to their lengths in `state`, and its recipe is
  /// replaced.
  func openLogs(at state: TrainingState) throws {
    guard isLeader else { return }
    metrics = try MetricsLog(
      directory.metrics, content: .metrics, resumingAt: isResumed ? state.metricsBytes : nil)
    timings = try MetricsLog(
      directory.timings, content: .timings, resumingAt: isResumed ? state.timingsBytes : nil)
    if let recipe = newRecipe { try AtomicFile.write(recipe, to: directory.recipe) }
    newRecipe = nil
  }

  /// Appends a line to the metrics; as all of these, nothing where another process writes them.
  func append(_ record: [JSONValue.Member]) throws {
    guard isLeader else { return }
    try directory.checkPresent()
    try metrics?.append(record)
  }

  /// Appends the line of something timed beside the epochs to the timings.
  func append(
    _ kind: MetricKind, _ name: MetricName, _ stopwatch: PhaseStopwatch, epoch: Int
  ) throws {
    try timings?.append([
      .init(kind), .init(.epoch, .int(epoch)), .init(name, .double(stopwatch.total)),
    ])
  }

  /// Writes a completed epoch: a line of each log, and the progress.
  ///
  /// - Parameters:
  ///   - ranks: the times of every process.
  ///   - state: with the epoch.
  func append(
    _ report: EpochReport, _ stopwatch: PhaseStopwatch, _ ranks: [RankSeconds],
    _ state: TrainingState, _ recipe: TrainingRecipe
  ) throws {
    guard isLeader else {
      return try log.write(
        "epoch \(state.epoch): " + RankSeconds(stopwatch).text)
    }
    try append(
      [.init(.epoch), .init(.epoch, .int(state.epoch))]
        + report.members(recipe, updatesSoFar: state.updates))
    try timings?.append(timing(report, stopwatch, state) + ranks.members)
    if !report.images.missing.counts.isEmpty {
      try message("epoch \(state.epoch): scores missing: \(report.images.missing.text)")
    }
    progress.update(
      state.epoch, share: state.progress(of: recipe), meanReward: report.rewardMean,
      best: state.bestScore, missing: report.missingCount)
  }

  private func timing(
    _ report: EpochReport, _ stopwatch: PhaseStopwatch, _ state: TrainingState
  ) -> [JSONValue.Member] {
    let phases = stopwatch.seconds
    func seconds(_ phase: Phase) -> Double { phases[phase, default: 0] }
    return [
      .init(.epoch), .init(.epoch, .int(state.epoch)),
      .init(.totalSeconds, .double(state.trainingSeconds)),
      .init(.textSeconds, .double(seconds(.text))),
      .init(.rolloutSeconds, .double(seconds(.rollout))),
      .init(.decodeSeconds, .double(seconds(.decode))),
      .init(.rewardSeconds, .double(seconds(.reward))),
      .init(.scoringSeconds, .double(report.images.seconds)),
      .init(.updateSeconds, .double(seconds(.learning) + seconds(.optimizer))),
      .init(.epochSeconds, .double(stopwatch.total)),
    ]
  }

  /// Waits until both logs are on the disk, and puts their lengths into `state`.
  func synchronize(_ state: inout TrainingState) throws {
    try metrics?.synchronize()
    try timings?.synchronize()
    state.metricsBytes = metrics?.byteCount ?? 0
    state.timingsBytes = timings?.byteCount ?? 0
  }

  /// Writes a message to standard error and to `log.txt`.
  func message(_ text: String) throws {
    progress.message(text)
    try log.write(text)
  }

  /// Notes in this process's log what stopped the run. The error itself goes on to the user, so one
  /// of the log is of no interest beside it.
  package func note(_ error: any Error) {
    do { try log.writeStop("\(error)") } catch {}
  }

  /// What has stopped the run, if the first process has noted it; nil where that cannot be read.
  package var leaderStop: String? {
    do { return try RunLog.stop(in: directory.log) } catch { return nil }
  }
}
