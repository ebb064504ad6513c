internal import FlowMatching
internal import Runs

/// Counts the rows that a velocity field evaluates, and shows them as progress of the step under
/// way.
final class EvaluationCounter {
  /// Rows of latents so far.
  private(set) var rows = 0
  private let part: String
  private let total: Int
  private let progress: ProgressReporter

  /// - Parameters:
  ///   - part: a part of an epoch, such as `rollout`.
  ///   - total: the rows of the whole part.
  init(_ part: String, of total: Int, _ progress: ProgressReporter) {
    self.part = part
    self.total = total
    self.progress = progress
  }

  /// The same field, counted.
  func counting(_ field: @escaping VelocityField) -> VelocityField {
    { latents, sigma, trunks in
      let velocity = field(latents, sigma, trunks)
      self.rows += trunks.count
      self.progress.update(.init(self.part, self.rows, of: self.total))
      return velocity
    }
  }
}
