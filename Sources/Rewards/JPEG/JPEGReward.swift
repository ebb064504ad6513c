internal import ImageFiles
package import Recipes
package import Torch

/// The size of an image as a JPEG of quality 95, in units of 500 kB (500,000 bytes).
///
/// Smooth images compress well, busy ones do not (Black and others, arXiv 2305.13301). The reward
/// has no network and reads no prompt: the first reward to try on a new model.
package struct JPEGReward: Reward {
  /// Which end of the scale is good.
  package enum Goal: Sendable {
    /// Small files: the score is the negative size.
    case compressibility
    /// Large files: the score is the size.
    case incompressibility
  }

  package let name: String
  private let goal: Goal

  /// - Parameter name: what metrics call it.
  package init(_ goal: Goal, name: String) {
    self.goal = goal
    self.name = name
  }

  /// Scores every image.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for an image too large for the format.
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

/// `jpeg_compressibility`: minus the size as a JPEG. It has no keys.
package struct JPEGCompressibilityFactory: RewardFactory {
  package static let name = "jpeg_compressibility"
  package let label: String

  package init(label: String = name) { self.label = label }

  package init(_ section: RecipeSection, label: String, device: Device) { self.label = label }

  package func makeReward() -> any Reward { JPEGReward(.compressibility, name: label) }
}

/// `jpeg_incompressibility`: the size as a JPEG. It has no keys.
package struct JPEGIncompressibilityFactory: RewardFactory {
  package static let name = "jpeg_incompressibility"
  package let label: String

  package init(label: String = name) { self.label = label }

  package init(_ section: RecipeSection, label: String, device: Device) { self.label = label }

  package func makeReward() -> any Reward { JPEGReward(.incompressibility, name: label) }
}
