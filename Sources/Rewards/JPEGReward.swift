import ImageFiles

/// How small, or how large, an image is as a JPEG of quality 95: smooth images compress well, busy
/// ones do not (Black and others, arXiv 2305.13301).
///
/// The score is the file's size in units of 500 kB (500,000 bytes); compressibility is its
/// negative. It needs no network and no prompt: the first reward to try on a new model.
package struct JPEGReward: Reward {
  /// Which end of the scale is good.
  package enum Goal: String, CaseIterable, Sendable {
    case compressibility = "jpeg_compressibility"
    case incompressibility = "jpeg_incompressibility"
  }

  package let goal: Goal
  package let name: String

  /// - Parameter name: what metrics call it; nil is the goal's name.
  package init(_ goal: Goal, name: String? = nil) {
    self.goal = goal
    self.name = name ?? goal.rawValue
  }

  /// Scores every image.
  ///
  /// Throws ``RewardError/failed(reward:reason:)`` for an image too large for the format.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    var total: [Double?] = []
    for sample in samples {
      let size = try size(sample.image)
      total.append(goal == .compressibility ? -size : size)
    }
    return RewardScores(total: total)
  }

  private func size(_ image: PixelBuffer) throws(RewardError) -> Double {
    do throws(ImageFileError) {
      return Double(try JPEG.encode(image, quality: 95).count) / 500_000
    } catch {
      throw .failed(reward: name, reason: error.description)
    }
  }
}
