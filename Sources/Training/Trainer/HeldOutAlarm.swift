internal import Foundation
package import Runs

/// The sign of reward hacking: the trained reward rises while a held-out reward falls.
///
/// At each evaluation both are compared with the one at which the held-out reward was highest so
/// far. The sign is present when the held-out mean has fallen by more than the threshold since, and
/// the trained mean has risen. The alarm needs it at `patience` consecutive evaluations.
package struct HeldOutAlarm: Sendable, Equatable {
  /// The means of one evaluation.
  package struct Point: Sendable, Equatable {
    package var epoch: Int
    package var heldOut: Double
    package var trained: Double
  }

  /// Where the held-out reward was highest.
  package let peak: Point
  /// The last evaluation.
  package let now: Point

  /// Compares a run's evaluations, in order. One without both means is left out.
  ///
  /// - Parameters:
  ///   - name: the held-out reward.
  ///   - threshold: the largest fall of its mean without an alarm.
  ///   - patience: consecutive evaluations that must show the fall and the rise, 1...
  /// - Returns: nil when there is no alarm at the last one.
  package init?(
    _ evaluations: [RunSummary.Evaluation], name: String, threshold: Double, patience: Int
  ) {
    let points = evaluations.compactMap { evaluation in
      evaluation.heldOutRewards?[name]?.mean.flatMap { heldOut in
        evaluation.trainingReward.map { trained in
          Point(epoch: evaluation.epoch, heldOut: heldOut, trained: trained)
        }
      }
    }
    guard let now = points.last, points.count > patience else { return nil }
    for end in points.indices.suffix(patience) {
      let peak = Self.peak(points[...end])
      guard peak.heldOut - points[end].heldOut > threshold, points[end].trained > peak.trained
      else { return nil }
    }
    peak = Self.peak(points[...])
    self.now = now
  }

  /// The first of the highest.
  private static func peak(_ points: ArraySlice<Point>) -> Point {
    points.dropFirst().reduce(points[0]) { $1.heldOut > $0.heldOut ? $1 : $0 }
  }

  /// Which means moved since when, in words.
  ///
  /// - Parameter name: the held-out reward.
  func text(_ name: String) -> String {
    String(
      format: "the held-out reward \(name) has fallen from %.4f to %.4f since epoch \(peak.epoch) "
        + "while the trained reward rose from %.4f to %.4f",
      peak.heldOut, now.heldOut, peak.trained, now.trained)
  }
}
