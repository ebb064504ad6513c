package import Runs

/// The sign of a trained reward that is gamed: it rises while a reward that is only watched falls.
///
/// At each evaluation both are compared with the one at which the watched reward stood highest so
/// far. The sign is there when the watched mean has fallen by more than the threshold since, and
/// the trained mean has risen; the alarm is raised when it is there at several evaluations on end.
package struct HeldOutAlarm: Sendable, Equatable {
  /// One evaluation.
  package struct Point: Sendable, Equatable {
    package var epoch: Int
    package var watched: Double
    package var trained: Double
  }

  /// Where the watched reward stood highest.
  package let peak: Point
  /// The last evaluation.
  package let now: Point

  /// Looks at a run's evaluations, in order.
  ///
  /// - Parameters:
  ///   - name: of the watched reward.
  ///   - threshold: a fall of the watched mean that is tolerated.
  ///   - count: evaluations on end, 1...; those without both scores are passed over.
  /// - Returns: nil when there is no alarm at the last one.
  package init?(
    _ evaluations: [RunSummary.Evaluation], name: String, threshold: Double, count: Int
  ) {
    let points = evaluations.compactMap { evaluation in
      evaluation.heldOutRewards?[name]?.mean.flatMap { watched in
        evaluation.trainingReward.map { trained in
          Point(epoch: evaluation.epoch, watched: watched, trained: trained)
        }
      }
    }
    guard let now = points.last, points.count > count else { return nil }
    for end in points.indices.suffix(count) {
      let peak = Self.peak(points[...end])
      guard peak.watched - points[end].watched > threshold, points[end].trained > peak.trained
      else { return nil }
    }
    peak = Self.peak(points[...])
    self.now = now
  }

  /// The first of the highest.
  private static func peak(_ points: ArraySlice<Point>) -> Point {
    points.dropFirst().reduce(points[0]) { $1.watched > $0.watched ? $1 : $0 }
  }
}
