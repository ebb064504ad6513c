internal import DiffusionModels
internal import ImageFiles
internal import TempFlow

/// Images of a rollout that are none because numbers were not finite.
struct FailedImages {
  private var count = 0
  private var first: String?

  /// Counts an image if it is none.
  mutating func add(
    _ image: Result<PixelBuffer, NonFiniteImage>, of prompt: Prompt, _ id: SampleID
  ) {
    guard case .failure(let failure) = image else { return }
    count += 1
    let place = id.step.map { "branch \(id.branch) of step \($0)" } ?? "the whole path"
    first = first ?? "\(failure) for '\(prompt.text)', \(place)"
  }

  /// One line: how many, and of the first the prompt, the step at which it left its trunk and
  /// the precision; nil without any.
  ///
  /// - Parameter total: all images of the rollout.
  func text(of total: Int) -> String? {
    first.map { "\(count) of \(total) images are none and have no score; the first: \($0)" }
  }
}
