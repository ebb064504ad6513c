package import Foundations
package import ImageFiles

/// One image to score, with the prompt and the source images that it was made from.
///
/// A sample is a plain value, so a reward can run in another process.
package struct RewardSample: Sendable {
  /// The decoded image.
  package var image: PixelBuffer
  /// The condition images as the model saw them, in order; empty for a prompt without.
  package var sources: [PixelBuffer]
  /// The text that the image was made from.
  package var prompt: String
  /// The line of the prompt file, by key; empty for a line that is the prompt itself.
  package var metadata: [String: JSONValue]

  package init(
    image: PixelBuffer, sources: [PixelBuffer] = [], prompt: String,
    metadata: [String: JSONValue] = [:]
  ) {
    self.image = image
    self.sources = sources
    self.prompt = prompt
    self.metadata = metadata
  }
}

extension RewardSample {
  /// The sample for a reward that judges the image alone.
  var withoutSources: RewardSample {
    RewardSample(image: image, prompt: prompt, metadata: metadata)
  }
}

/// Scores images: the reward of a training run or the measure of an evaluation.
package protocol Reward: Sendable {
  /// The name in metrics and reports.
  var name: String { get }
  /// The largest number of images that the reward works on at the same time, others of its calls
  /// waiting meanwhile; nil where only the processor's cores limit it.
  var imagesAtOnce: Int? { get }

  /// Scores a batch, which may be empty, in its order.
  ///
  /// A sample that cannot be scored gets nil and takes no part in advantages.
  ///
  /// - Throws: ``RewardError`` when the whole batch fails.
  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores
}

extension Reward {
  package var imagesAtOnce: Int? { nil }
}
