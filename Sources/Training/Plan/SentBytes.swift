internal import DiffusionModels
internal import Foundation

/// Bytes that one rank sends, on average over the ranks; it receives as many.
package struct SentBytes: Encodable, Sendable, Equatable {
  /// The float32 gradients of one update, summed in a ring: 2 (N-1)/N of their size.
  package var gradientsPerUpdate: Int
  /// x_i and v_i of training samples on their way to the ranks that train them, in an epoch. This
  /// is the expected number, because each epoch's shuffle decides which samples move.
  package var samplesPerEpoch: Int
  /// Statistics of training samples and scores of images, which every rank gets of all, in an
  /// epoch.
  package var recordsPerEpoch: Int
  /// All of an epoch.
  package var perEpoch: Int

  private enum CodingKeys: String, CodingKey {
    case gradientsPerUpdate = "gradients_per_update"
    case samplesPerEpoch = "samples_per_epoch"
    case recordsPerEpoch = "records_per_epoch"
    case perEpoch = "per_epoch"
  }
}

extension SentBytes {
  /// Float32 numbers of a training sample's statistics.
  private static let statistics = 10

  init(_ recipe: TrainingRecipe, _ model: FlowModelMetadata, _ division: WorkDivision, images: Int)
  {
    let ranks = division.ranks
    func ring(_ bytes: Int) -> Int { bytes * (ranks - 1) / ranks }
    let samples = recipe.trainingSamplesPerEpoch
    let sampleBytes = 2 * 4 * model.latentShape.reduce(1, *)
    gradientsPerUpdate = 2 * ring(4 * model.trainableParameters)
    samplesPerEpoch = Int(
      (Double(samples * sampleBytes) * division.movedShare / Double(ranks)).rounded())
    recordsPerEpoch = ring(4 * Self.statistics * samples + 8 * images * recipe.rewards.count)
    perEpoch =
      recipe.optimizer.updatesPerEpoch * gradientsPerUpdate + samplesPerEpoch + recordsPerEpoch
  }
}

extension WorkDivision {
  /// The expected share of training samples that another rank trains than the one that owns their
  /// trunk, in 0...1: about 1 - 1/N.
  package var movedShare: Double {
    var owned = [Int](repeating: 0, count: ranks)
    for trunk in 0..<trunks { owned[owner(of: trunk)] += 1 }
    let kept = owned.enumerated().reduce(0.0) {
      $0 + Double($1.element) * Double(samples(of: $1.offset).count)
    }
    return 1 - kept / (Double(trunks) * Double(samplesPerUpdate))
  }
}
