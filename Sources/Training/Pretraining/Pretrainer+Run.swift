import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Rewards
import Runs
import ShapeScenes
import TextTokenizers
import Torch
import TorchNN

extension Pretrainer {
  /// Seconds, by the names of `phase_seconds`.
  typealias PretrainingStopwatch = Stopwatch<String, ContinuousClock.Instant>

  /// Runs both stages. The model folder is replaced as a whole before every measurement.
  ///
  /// - Throws: `PretrainingError`, at once where the folder cannot be written or has other things.
  package func run() async throws(PretrainingError) -> Outcome {
    try checkOutput()
    TorchRuntime.keepFreedMemory()
    if let threads = recipe.threads { TorchRuntime.threadCount = threads }
    let stopwatch = PretrainingStopwatch { .now }
    let images = try stopwatch.measure("render") { () throws(PretrainingError) in try render() }
    let autoencoder = try stopwatch.measure("autoencoder") { () throws(PretrainingError) in
      try trainAutoencoder(images)
    }
    let pool = stopwatch.measure("encode") { LatentPool(images, autoencoder.model) }
    progress.message(
      "latents: shift_factor \(Figure.text(pool.shift)), scaling_factor \(Figure.text(pool.scale))")
    let model = try PretrainedModel(
      recipe, autoencoder, pool, texts: training.map(\.text),
      generator: Generator(seed: seed(of: .flowWeights)))
    let flow = FlowPretraining(recipe.flow, model.model)
    try await train(flow, model, model.data(pool, images, training.map(\.text)), stopwatch)

    try save(model, flow)
    let evaluation = try await measure(model, heldOut, flow.average, stopwatch)
    try writeSamples(evaluation, step: recipe.flow.stage.steps)
    return outcome(evaluation, model, stopwatch)
  }

  private func render() throws(PretrainingError) -> RenderedImages {
    do throws(PromptFault) {
      return try RenderedImages(
        training, of: recipe.data.task, count: recipe.data.images, seed: recipe.seed)
    } catch {
      throw .prompts(.prompts("\(recipe.data.prompts): \(error)"))
    }
  }

  /// Checks that a model may replace what is at its place, and that a folder can be made there.
  private func checkOutput() throws(PretrainingError) {
    do throws(PipelineError) {
      try refuseToReplace(recipe.output, true, mark: ModelIndex.fileName)
    } catch {
      throw .pipeline(error)
    }
    do throws(FileError) { _ = try ReplacementFolder(recipe.output) } catch {
      throw .output(path: recipe.output, reason: error.reason)
    }
  }

  /// Writes the model folder with the averaged weights.
  private func save(
    _ model: PretrainedModel, _ flow: FlowPretraining
  ) throws(PretrainingError) {
    do throws(PipelineError) {
      try flow.average.withAverages { () throws(PipelineError) in
        try model.model.write(to: recipe.output, textFrom: nil)
      }
    } catch {
      throw .pipeline(error)
    }
  }

  private func trainAutoencoder(
    _ images: RenderedImages
  ) throws(PretrainingError) -> AutoencoderTraining {
    let stage: AutoencoderTraining
    do throws(ParameterError) {
      stage = try AutoencoderTraining(
        recipe.autoencoder, size: SceneRenderer.size,
        generator: Generator(seed: seed(of: .autoencoderWeights)))
    } catch {
      throw .network(error)
    }
    let total = recipe.autoencoder.stage.steps
    progress.begin("autoencoder", total: total)
    var losses: [Double] = []
    try stage.run(
      on: images, generator: Generator(seed: seed(of: .autoencoderBatches))
    ) { step, loss throws(PretrainingError) in
      try note("autoencoder", step, of: total, loss, &losses)
    }
    progress.end()
    return stage
  }

  /// The second stage, with a measurement every so many steps.
  private func train(
    _ flow: FlowPretraining, _ model: PretrainedModel, _ data: FlowPretraining.Data,
    _ stopwatch: PretrainingStopwatch
  ) async throws(PretrainingError) {
    let total = recipe.flow.stage.steps
    let generator = Generator(seed: seed(of: .flowBatches))
    progress.begin("flow", total: total)
    var losses: [Double] = []
    for start in stride(from: 0, to: total, by: recipe.evaluation.every) {
      let steps = start..<min(start + recipe.evaluation.every, total)
      try stopwatch.measure("flow") { () throws(PretrainingError) in
        try flow.run(steps, on: data, generator: generator) {
          step, loss throws(PretrainingError) in
          try note("flow", step, of: total, loss, &losses)
        }
      }
      guard steps.upperBound < total else { break }
      try save(model, flow)
      let prompts = Array(heldOut.prefix(recipe.evaluation.count))
      let evaluation = try await measure(model, prompts, flow.average, stopwatch)
      progress.message(
        "flow \(steps.upperBound): strict \(Figure.text(evaluation.accuracy)), "
          + "partial \(Figure.text(evaluation.scores)) on \(prompts.count) held-out prompts")
      try writeSamples(evaluation, step: steps.upperBound)
    }
    progress.end()
  }

  /// Reports one step, its loss at intervals, and stops on request unless it is the very last: the
  /// model is then as good as saved.
  private func note(
    _ stage: String, _ step: Int, of total: Int, _ loss: Double, _ losses: inout [Double]
  ) throws(PretrainingError) {
    progress.update(step)
    losses.append(loss)
    if step.isMultiple(of: max(1, total / 20)) || step == total {
      progress.message("\(stage) \(step): loss \(Figure.text(Statistics(losses).mean ?? 0))")
      losses = []
    }
    let isTrained = stage == "flow" && step == total
    if !isTrained, isStopRequested() { throw .stopped(stage: stage, step: step) }
  }

  /// Measures the averaged weights.
  private func measure(
    _ model: PretrainedModel, _ prompts: [Prompt], _ average: ExponentialMovingAverage,
    _ stopwatch: PretrainingStopwatch
  ) async throws(PretrainingError) -> Evaluation {
    stopwatch.begin("evaluate")
    defer { stopwatch.end() }
    let images: [PixelBuffer]
    do throws(TrainingError) {
      images = try average.withAverages { () throws(TrainingError) in
        try recipe.evaluation.sampling.images(
          of: prompts, model.model, model.encoder)
      }
    } catch {
      throw .images(error)
    }
    let sources: [[PixelBuffer]]
    do throws(TrainingError) {
      sources = try ConditionImages(model.model.geometry.image).of(prompts)
    } catch {
      throw .prompts(error)
    }
    do throws(RewardError) {
      return try await Evaluation(
        images, of: prompts, sources, by: try recipe.data.task.reward.makeReward())
    } catch {
      throw .reward(error)
    }
  }
}
