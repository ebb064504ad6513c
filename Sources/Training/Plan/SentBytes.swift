internal import DiffusionModels
internal import Foundation
internal import TempFlow

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
  /// Under `shard: base` the rank's part of every block, in an epoch without its evaluations: a
  /// call of the network gathers each block once, its backward pass once more, and every rank makes
  /// as many calls as the one with the most. Blocks that a slot still holds are counted, too. Zero
  /// without.
  package var weightsPerEpoch: Int
  /// All of an epoch, without what processes agree on in a few bytes.
  package var perEpoch: Int

  private enum CodingKeys: String, CodingKey {
    case gradientsPerUpdate = "gradients_per_update"
    case samplesPerEpoch = "samples_per_epoch"
    case recordsPerEpoch = "records_per_epoch"
    case weightsPerEpoch = "weights_per_epoch"
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

  /// - Parameters:
  ///   - work: of every rank.
  ///   - images: of an epoch.
  init(
    _ recipe: TrainingRecipe, _ model: FlowModelMetadata, _ division: WorkDivision,
    work: [RankWork], images: Int
  ) {
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
    let shared = MovedSize(
      model.transformer, in: recipe.dtype, recipe.placement, processes: ranks)
    weightsPerEpoch =
      recipe.sharing(of: ranks) > 1
      ? othersShare(Self.networkPasses(recipe, work) * shared.blocks) : 0
    perEpoch =
      recipe.optimizer.updatesPerEpoch * gradientsPerUpdate + samplesPerEpoch + recordsPerEpoch
      + weightsPerEpoch
  }

  /// Forward and backward passes of the network in the first epoch.
  private static func networkPasses(_ recipe: TrainingRecipe, _ work: [RankWork]) -> Int {
    let updates = recipe.optimizer.updatesPerEpoch
    let old = recipe.loss.evaluatedOldUpdates(of: updates, epoch: 0)
    let reference = recipe.loss.objective.klBeta > 0 ? updates : 0
    let calls = work.map(\.rolloutCalls).max() ?? 0
    return calls + (work.map(\.passes).max() ?? 0) * (2 * updates + old + reference)
  }
}
