package import JSON
package import Runs

/// Where a run writes: directory, logs, checkpoints and the line that tells a person how it goes.
@MainActor
package final class RunOutput {
  package let directory: RunDirectory
  package let progress: ProgressReporter
  /// The recipe file's name without its ending.
  package let recipeName: String
  let checkpoints: CheckpointStore
  private let isResumed: Bool
  private let log: RunLog
  private var metrics: MetricsLog?
  private var timings: MetricsLog?

  /// Opens a run directory, new or to be resumed, and writes the resolved recipe into a new one.
  ///
  /// - Throws: `RunError`; `TrainingError.otherRecipe` when a resumed run was made by a recipe
  ///   that differs in more than its length.
  package init(
    _ path: String, resume: Bool, recipe: Recipe<TrainingRecipe>, recipeName: String,
    progress: ProgressReporter
  ) throws {
    directory = try RunDirectory(path, mode: resume ? .resume : .create)
    self.progress = progress
    self.recipeName = recipeName
    isResumed = resume
    log = try RunLog(directory.log)
    checkpoints = try CheckpointStore(
      directory.checkpoints, keep: recipe.settings.checkpoints.keep)
    if resume, try directory.hasRecipe() {
      try Self.compare(directory.recipe, with: recipe.resolved)
    }
    try AtomicFile.write(recipe.resolved.text, to: directory.recipe)
    for warning in recipe.warnings { try say("warning: \(warning)") }
  }

  /// Settings that a resumed run may change: they do not decide what an epoch does.
  private static let changeable = [
    "epochs", "time_limit", "checkpoints.every", "checkpoints.keep",
    "gradient_checkpointing", "memory_budget", "sampling.decode_micro_batch", "prompt_cache", "max_missing_scores",
  ]

  /// The same within an entry of `rewards` or `held_out_rewards`: how a reward is reached, not what it scores.
  private static let changeableOfRewards: Set = [
    "batch_size", "command", "directory", "urls", "proxy", "timeout", "retries", "outage_timeout", "concurrency",
    "api_key_variable", "image_transport", "threshold", "patience", "action",
  ]

  private static func isChangeable(_ path: String) -> Bool {
    let keys = path.split(separator: ".").map(String.init)
    return changeable.contains(path)
      || ["rewards", "held_out_rewards"].contains(keys[0]) && keys.count == 3
        && changeableOfRewards.contains(keys[2])
  }

  private static func compare(_ path: String, with resolved: ResolvedRecipe) throws {
    let earlier = try TrainingRecipe.read(path: path).resolved
    let differences = resolved.differences(from: earlier).filter { !isChangeable($0.path) }
    guard differences.isEmpty else {
      throw TrainingError.otherRecipe(path: path, differences: differences.map(\.description))
    }
  }

  /// Opens the logs, cutting off what a resumed run is about to do again.
  func openLogs(at state: TrainingState) throws {
    metrics = try MetricsLog(
      directory.metrics, content: .metrics, resumingAt: isResumed ? state.metricsBytes : nil)
    timings = try MetricsLog(
      directory.timings, content: .timings, resumingAt: isResumed ? state.timingsBytes : nil)
  }

  /// Notes that a process is ready to train.
  func started(seconds: Double, _ state: inout TrainingState) throws {
    var phases = PhaseSeconds()
    phases.add("load", seconds)
    state.add(phases)
    try append(timing: [
      .init(.start), .init(.epoch, .int(state.epoch)), .init(.loadSeconds, .double(seconds)),
    ])
  }

  /// Appends a line to the metrics.
  func append(_ record: [JSONValue.Member]) throws {
    try directory.checkPresent()
    try metrics?.append(record)
  }

  /// Appends a line to the timings.
  func append(timing record: [JSONValue.Member]) throws { try timings?.append(record) }

  /// Appends an epoch's seconds to the timings.
  func append(_ phases: PhaseSeconds, scoring: Double, _ state: TrainingState) throws {
    try append(timing: [
      .init(.epoch), .init(.epoch, .int(state.epoch)),
      .init(.totalSeconds, .double(state.trainingSeconds)),
      .init(.textSeconds, .double(phases["text"])),
      .init(.rolloutSeconds, .double(phases["rollout"])),
      .init(.decodeSeconds, .double(phases["decode"])),
      .init(.rewardSeconds, .double(phases["reward"])),
      .init(.scoringSeconds, .double(scoring)),
      .init(.updateSeconds, .double(phases["learning"])),
      .init(.epochSeconds, .double(phases["all"])),
    ])
  }

  /// Waits until both logs are on the disk and notes their lengths.
  func synchronize(_ state: inout TrainingState) throws {
    try metrics?.synchronize()
    try timings?.synchronize()
    state.metricsBytes = metrics?.byteCount ?? 0
    state.timingsBytes = timings?.byteCount ?? 0
  }

  /// Tells the person and the log.
  func say(_ text: String) throws {
    progress.message(text)
    try log.write(text)
  }
}
