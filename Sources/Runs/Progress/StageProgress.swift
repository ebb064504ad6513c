import Foundation

/// The progress of one stage of a run.
package struct StageProgress: Sendable, Equatable {
  /// The stage in a word or two: "training".
  package var stage: String
  /// Steps done.
  package var step: Int
  /// Total number of steps.
  package var total: Int
  /// What one step is, in rates: `epoch`, `image`.
  package var unit: String
  /// The step at which this process began; above 0 in a resumed run.
  package var firstStep: Int
  /// The part of the stage that is done, 0...1, and that at which this process began. It is more
  /// than that of the steps where a time limit ends the stage.
  package var share: Double, firstShare: Double
  /// Seconds since this process began the stage.
  package var seconds: Double
  /// The mean reward of the last step.
  package var meanReward: Double?
  /// The best score so far.
  package var best: Double?
  /// Images of the last step without a reward.
  package var missing = 0
  /// The progress within the current step; nil between steps.
  package var part: Part?

  /// A part of a step, such as its rollout, and how much of it is done.
  package struct Part: Sendable, Equatable {
    package var name: String
    package var done: Int
    package var total: Int

    package init(_ name: String, _ done: Int, of total: Int) {
      self.name = name
      self.done = done
      self.total = total
    }
  }

  /// Makes a state; `firstStep` and `seconds` start at zero.
  ///
  /// - Parameters:
  ///   - share: nil means that of the steps.
  ///   - firstShare: nil means that of the first step.
  package init(
    stage: String, step: Int, total: Int, unit: String = "step", firstStep: Int = 0,
    share: Double? = nil, firstShare: Double? = nil, seconds: Double = 0, meanReward: Double? = nil,
    best: Double? = nil
  ) {
    self.stage = stage
    self.step = step
    self.total = total
    self.unit = unit
    self.firstStep = firstStep
    self.share = share ?? Self.share(step, of: total)
    self.firstShare = firstShare ?? Self.share(firstStep, of: total)
    self.seconds = seconds
    self.meanReward = meanReward
    self.best = best
  }
}

extension StageProgress {
  /// The part that some steps are of all.
  static func share(_ step: Int, of total: Int) -> Double {
    total > 0 ? Double(step) / Double(total) : 0
  }

  /// One line: `training 12/30 (40 %)  8.1 s/epoch  0:02:26 left  reward 0.512  best held-out
  /// 0.530`; within a step `training 12/30 (40 %)  rollout 75 %  8.1 s/epoch ...`.
  package var line: String {
    // A share such as 0.29 is a little less than 29 hundredths.
    let percent = total > 0 ? " (\(Int(100 * share + 1e-9)) %)" : ""
    var parts = ["\(stage) \(step)/\(total)\(percent)"]
    if let part, part.total > 0 { parts.append("\(part.name) \(100 * part.done / part.total) %") }
    let done = step - firstStep
    if done > 0, seconds > 0 {
      let rate = Double(done) / seconds
      parts.append(Self.text(rate: rate, of: unit))
      if share < 1 {
        if share > firstShare {
          let left = seconds * (1 - share) / (share - firstShare)
          parts.append("\(Self.text(seconds: left)) left")
        }
      } else {
        parts.append("took \(Self.text(seconds: seconds))")
      }
    }
    if let meanReward { parts.append("reward \(Self.text(score: meanReward))") }
    if missing > 0 { parts.append("missing \(missing)") }
    if let best { parts.append("best held-out \(Self.text(score: best))") }
    return parts.joined(separator: "  ")
  }

  /// Hours, minutes and seconds, rounded: `1:02:03`.
  package static func text(seconds: Double) -> String {
    let whole = seconds.isFinite ? Int(min(max(seconds, 0), 3.6e9).rounded()) : 0
    return "\(whole / 3600):\(twoDigits(whole / 60 % 60)):\(twoDigits(whole % 60))"
  }

  /// Units per second, or seconds per unit below one a second: `3.2 images/s`, `8.1 s/epoch`.
  package static func text(rate: Double, of unit: String) -> String {
    rate >= 1
      ? String(format: rate < 10 ? "%.1f" : "%.0f", rate) + " \(unit)s/s"
      : String(format: "%.1f", 1 / rate) + " s/\(unit)"
  }

  private static func text(score: Double) -> String { String(format: "%.3f", score) }

  private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
