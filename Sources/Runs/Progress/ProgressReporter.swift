internal import Foundations

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Prints the progress of a run.
///
/// On a terminal one line is rewritten in place. Elsewhere a plain line is printed at most every 5
/// seconds, within a long step every minute, and at the end of every stage.
package final class ProgressReporter {
  /// Seconds between two updates.
  private let interval: Double
  /// Seconds between two updates within a step.
  private let partInterval: Double
  private let columns: Int?
  private let write: (String) -> Void
  /// Seconds on a monotonic clock.
  private let now: () -> Double

  private var stageStart = 0.0
  private var lastUpdate = -Double.infinity
  private var progress: StageProgress?
  /// Whether the terminal's last line is a progress line without its line end.
  private var isLineOpen = false

  /// Makes a reporter that writes to `write`.
  ///
  /// - Parameters:
  ///   - columns: the width of the terminal; nil when the output is not one.
  ///   - now: seconds on a monotonic clock.
  package init(
    columns: Int?, write: @escaping (String) -> Void, now: @escaping () -> Double
  ) {
    self.columns = columns
    interval = columns == nil ? 5 : 0.1
    partInterval = columns == nil ? 60 : 0.1
    self.write = write
    self.now = now
  }

  /// A reporter on standard error.
  package static func standardError() -> ProgressReporter {
    let start = ContinuousClock.now
    return ProgressReporter(columns: terminalWidth(), write: StandardStream.writeError) {
      ContinuousClock.now.seconds(since: start)
    }
  }

  /// A reporter that shows nothing.
  package static func silent() -> ProgressReporter {
    ProgressReporter(columns: nil, write: { _ in }, now: { 0 })
  }

  /// Begins a stage and ends one that is open.
  ///
  /// - Parameters:
  ///   - unit: what one step is, in rates: `epoch`, `image`.
  ///   - step: the steps already done, in a resumed run.
  ///   - share: the part of the stage that is done, 0...1; nil means that of the steps.
  ///   - best: the best held-out score so far.
  package func begin(
    _ stage: String, total: Int, unit: String = "step", step: Int = 0, share: Double? = nil,
    best: Double? = nil
  ) {
    end()
    stageStart = now()
    lastUpdate = -.infinity
    progress = StageProgress(
      stage: stage, step: step, total: total, unit: unit, firstStep: step, share: share,
      firstShare: share, best: best)
    show()
  }

  /// Reports the number of steps done; a value that is nil keeps the last one.
  ///
  /// - Parameter share: the part of the stage that is done, 0...1; nil means that of the steps.
  package func update(
    _ step: Int, share: Double? = nil, meanReward: Double? = nil, best: Double? = nil,
    missing: Int = 0
  ) {
    guard let total = progress?.total else { return }
    progress?.step = step
    progress?.share = share ?? StageProgress.share(step, of: total)
    progress?.part = nil
    progress?.missing = missing
    if let meanReward { progress?.meanReward = meanReward }
    if let best { progress?.best = best }
    if now() - lastUpdate >= interval { show() }
  }

  /// Reports the part of the current step, and how much of that is done.
  package func update(_ part: StageProgress.Part) {
    guard progress != nil else { return }
    progress?.part = part
    if now() - lastUpdate >= partInterval { show() }
  }

  /// Ends the stage with a last line.
  package func end() {
    guard progress != nil else { return }
    progress?.part = nil
    show()
    if isLineOpen { write("\n") }
    isLineOpen = false
    progress = nil
  }

  /// Writes a message on a line of its own.
  package func message(_ text: String) {
    if isLineOpen { write("\r\u{1B}[K") }
    isLineOpen = false
    write(text + "\n")
    if columns != nil, progress != nil { show() }
  }

  private func show() {
    guard var current = progress else { return }
    lastUpdate = now()
    current.seconds = lastUpdate - stageStart
    if let columns {
      // The last column is left free: some terminals wrap when it is filled.
      write("\r\(current.line.prefix(max(columns - 1, 1)))\u{1B}[K")
      isLineOpen = true
    } else {
      write(current.line + "\n")
    }
  }

  /// The columns of the terminal on standard error; nil when it is not a terminal.
  private static func terminalWidth() -> Int? {
    guard isatty(STDERR_FILENO) == 1 else { return nil }
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
