/// The held-out score of one run against training time.
package struct MeasuredRun: Equatable, Sendable {
  /// One evaluation.
  package struct Point: Equatable, Sendable {
    /// Seconds of training before it, without evaluations.
    package var seconds: Double
    /// The held-out score: accuracy in 0...1, or a reward.
    package var score: Double

    /// Makes a point.
    package init(seconds: Double, score: Double) {
      self.seconds = seconds
      self.score = score
    }
  }

  /// The method's name; runs of one method differ by their seed alone.
  package var method: String
  /// The run directory's name.
  package var name: String
  /// Evaluations in the order of time, at least one.
  package var points: [Point]
  /// Epochs before the last evaluation.
  package var epochs: Int
  /// Held-out prompts of each evaluation.
  package var prompts: Int
  /// Whether the run finished.
  package var isFinished = true

  /// Makes a run from its evaluations, which are put in the order of time.
  package init(method: String, name: String, points: [Point], epochs: Int, prompts: Int) {
    precondition(!points.isEmpty, "a measured run has at least one evaluation")
    self.method = method
    self.name = name
    self.points = points.sorted { $0.seconds < $1.seconds }
    self.epochs = epochs
    self.prompts = prompts
  }

  /// The score before training.
  package var before: Double { points[0].score }
  /// The score of the last evaluation.
  package var after: Double { points[points.count - 1].score }

  /// The score at a time, on the straight line between the evaluations around it; nil outside them.
  package func score(at seconds: Double) -> Double? {
    guard let next = points.firstIndex(where: { $0.seconds >= seconds }) else { return nil }
    let right = points[next]
    guard right.seconds > seconds else { return right.score }
    guard next > 0 else { return nil }
    let left = points[next - 1]
    let share = (seconds - left.seconds) / (right.seconds - left.seconds)
    return left.score + share * (right.score - left.score)
  }

  /// The method in a run directory's name: the name without a last `-seed-3`, `-seed3` or `-3`.
  package static func method(of name: String) -> String {
    guard let seed = name.firstMatch(of: /(?:-seed-?|-)[0-9]+$/),
      seed.range.lowerBound > name.startIndex
    else { return name }
    return String(name[..<seed.range.lowerBound])
  }
}
