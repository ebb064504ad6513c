import DiffusionPipelines
import Foundation
import ImageFiles
import Runs
import ShapeScenes
import Torch

extension Pretrainer {
  /// Independent streams of random numbers.
  enum Stream: UInt64 {
    case autoencoderWeights, autoencoderBatches, flowWeights, flowBatches
  }

  /// The seed of one stream, in one cycle of the flow.
  func seed(of stream: Stream, cycle: Int = 0) -> UInt64 {
    let streams = UInt64(4)
    let number = UInt64(cycle) * streams + stream.rawValue
    var mixer = SplitMix64(seed: recipe.seed &+ number &* 0x9E37_79B9)
    return mixer.next()
  }

  /// Writes the model folder.
  func save(_ model: PretrainedModel, to folder: String) throws(PretrainingError) {
    do throws(PipelineError) {
      try PipelineWriter.write(model.pipeline, to: folder)
    } catch {
      throw .pipeline(error)
    }
  }

  /// Writes the first images of a measurement as one picture, if the recipe names a folder.
  func writeSamples(_ evaluation: Evaluation, at place: String) throws(PretrainingError) {
    guard let folder = recipe.evaluation.samples else { return }
    let sheet = ContactSheet(columns: 10, scale: 3).image(of: Array(evaluation.images.prefix(100)))
    let name = String(place.map { $0.isLetter || $0.isNumber ? $0 : "-" })
    let path = "\(folder)/\(name).png"
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try PNG.write(sheet, to: path)
    } catch {
      throw .output(path: path, reason: "\(error)")
    }
  }

  /// What the command reports.
  func outcome(
    _ evaluation: Evaluation, _ model: PretrainedModel, _ clock: PhaseClock
  ) -> Outcome {
    Outcome(
      accuracy: evaluation.accuracy, credit: evaluation.scores,
      evaluationProtocol: evaluation.protocolRecord(
        recipe.evaluation.sampling, promptFile: recipe.evaluation.prompts, weights: "ema"),
      phaseSeconds: clock.seconds, parameterCounts: model.parameterCounts,
      machine: Machine(device: "cpu", torch: TorchRuntime.version))
  }
}

extension PretrainingEvaluationRecipe {
  /// How images are made to be measured.
  var sampling: ImageSampling { ImageSampling(steps: steps, guidance: guidance, seed: seed) }
}

extension Evaluation {
  /// Strict accuracy, or the total of a reward that has no such part.
  var accuracy: TaggedScores { scores(part: "strict") ?? scores }
}

enum Figure {
  /// Three decimals.
  static func text(_ value: Double) -> String { String(format: "%.3f", value) }
  static func text(_ scores: TaggedScores) -> String { text(scores.overall.mean) }
}
