internal import DiffusionModels
internal import ImageFiles
internal import TempFlow

/// The images of a rollout that do not exist because latents or pixels are not finite.
struct FailedImages: Codable {
  private var count = 0
  private var first: String?

  /// Counts a sample whose image does not exist.
  mutating func add(
    _ image: Result<PixelBuffer, NonFiniteImage>, of prompt: Prompt, _ id: SampleID
  ) {
    guard case .failure(let failure) = image else { return }
    count += 1
    let place = id.step.map { "branch \(id.branch) of step \($0)" } ?? "the whole path"
    first = first ?? "\(failure) for '\(prompt.text)', \(place)"
  }

  /// Adds those of another process.
  mutating func add(_ other: FailedImages) {
    count += other.count
    first = first ?? other.first
  }

  /// One line: the count, and of the first the prompt, the step at which it left its trunk and the
  /// precision; nil without any.
  ///
  /// - Parameter total: all samples of the rollout.
  func text(of total: Int) -> String? {
    first.map { "\(count) of \(total) images are not finite and have no score; the first: \($0)" }
  }
}
