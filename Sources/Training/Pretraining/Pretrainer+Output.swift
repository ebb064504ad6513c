import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Runs
import ShapeScenes
import Torch

extension Pretrainer {
  /// Independent streams of random numbers.
  enum Stream: UInt64 {
    case autoencoderWeights, autoencoderBatches, flowWeights, flowBatches
  }

  /// The seed of one stream.
  func seed(of stream: Stream) -> UInt64 {
    SplitMix64.mix(recipe.seed &+ stream.rawValue &* 0x9E37_79B9)
  }

  /// Writes the first images of a measurement as one picture, if the recipe has a folder for it.
  func writeSamples(_ evaluation: Evaluation, step: Int) throws(PretrainingError) {
    guard let folder = recipe.evaluation.samples else { return }
    let sheet = ContactSheet(columns: 10, scale: 3).image(of: Array(evaluation.images.prefix(100)))
    let path = "\(folder)/step-\(step.digits(6)).png"
    do {
      try FileTree.makeFolder(folder)
      try PNG.write(sheet, to: path)
    } catch {
      throw .output(path: path, reason: "\(error)")
    }
  }

  /// The command's report.
  func outcome(
    _ evaluation: Evaluation, _ model: PretrainedModel, _ stopwatch: PretrainingStopwatch
  ) -> Outcome {
    Outcome(
      accuracy: evaluation.accuracy, credit: evaluation.scores,
      evaluationProtocol: evaluation.protocolRecord(
        recipe.evaluation.sampling, model.model, promptFile: recipe.evaluation.prompts,
        weights: "ema"),
      phaseSeconds: stopwatch.seconds, parameterCounts: model.model.parameterCounts,
      machine: Machine(device: "cpu", torch: TorchRuntime.version))
  }
}

extension PretrainingEvaluationRecipe {
  /// The sampling settings of measurements.
  var sampling: ImageSampling {
    ImageSampling(steps: steps, guidanceScale: guidanceScale, seed: seed)
  }
}

extension Evaluation {
  /// Strict accuracy, or the total of a reward without such a part.
  var accuracy: TaggedScores { scores(part: "strict") ?? scores }
}

enum Figure {
  /// Three decimals.
  static func text(_ value: Double) -> String { String(format: "%.3f", value) }
  static func text(_ scores: TaggedScores) -> String { scores.overall.meanText }
}
