internal import DiffusionModels
internal import Foundation

/// Bytes that one rank sends, on average over the ranks; it receives as many.
package struct SentBytes: Encodable, Sendable, Equatable {
  /// The gradients of one update: (N-1)/N of 12 bytes a trainable parameter, of 8 bytes where no
  /// rank has more than one pass, or of 4 bytes where the update has only one; see `GradientSum`.
  package var gradientsPerUpdate: Int
  /// x_i and v_i of training samples, or finished latents of trunks, on their way to the ranks that
  /// train them, in an epoch. This is the expected number, because each epoch's shuffle decides
  /// which samples move.
  package var samplesPerEpoch: Int
  /// Statistics of training samples, and scores of images as JSON, which every rank gets of all, in
  /// an epoch. Scores are estimated: parts of a reward are without.
  package var recordsPerEpoch: Int
  /// All of an epoch, without what processes agree on in a few bytes.
  package var perEpoch: Int

  private enum CodingKeys: String, CodingKey {
    case gradientsPerUpdate = "gradients_per_update"
    case samplesPerEpoch = "samples_per_epoch"
    case recordsPerEpoch = "records_per_epoch"
    case perEpoch = "per_epoch"
  }
}

extension SentBytes {
  /// Of a training sample's statistics, ten float32 numbers, and one more of a loss on finished
  /// samples.
  private static let statisticsBytes = 40, forwardStatisticsBytes = 44
  /// JSON of the place of an image, such as `123,4,5,`, and of a score and its comma; the weighted
  /// sum is one more score.
  private static let placeBytes = 8, scoreBytes = 21

  init(_ recipe: TrainingRecipe, _ model: FlowModelMetadata, _ division: WorkDivision, images: Int)
  {
    let ranks = division.ranks
    func othersShare(_ bytes: Int) -> Int { bytes * (ranks - 1) / ranks }
    let samples = recipe.trainingSamplesPerEpoch
    let latentBytes = Double(4 * model.latentShape.reduce(1, *))
    let isForward = recipe.loss.forward != nil
    let moved =
      isForward
      ? division.movedTrunks(steps: recipe.sampling.trainedStepCount)
      : 2 * Double(samples) * division.movedShare
    gradientsPerUpdate = GradientSum.sentBytes(
      of: model.trainableParameters, passes: division.passesPerUpdate, most: division.mostPasses,
      processes: ranks)
    samplesPerEpoch = Int((latentBytes * moved / Double(ranks)).rounded())
    let imageBytes = Self.placeBytes + Self.scoreBytes * (recipe.rewards.count + 1)
    let statisticsBytes = isForward ? Self.forwardStatisticsBytes : Self.statisticsBytes
    recordsPerEpoch = othersShare(statisticsBytes * samples + imageBytes * images)
    perEpoch =
      recipe.optimizer.updatesPerEpoch * gradientsPerUpdate + samplesPerEpoch + recordsPerEpoch
  }
}
