import DiffusionModels
import DiffusionPipelines
import Foundation
import ImageFiles
import Rewards
import Runs
import ShapeScenes
import TextTokenizers
import Torch
import TorchNN

extension Pretrainer {
  /// Runs both stages. The model folder is written after every measurement, each time as a whole.
  ///
  /// - Parameter resume: go on behind the last finished cycle of an earlier run, if there is one;
  ///   the outcome's weights are those of a run that was never interrupted.
  package func run(resume: Bool = false) async throws(PretrainingError) -> Outcome {
    TorchRuntime.keepFreedMemory()
    if let threads = recipe.threads { TorchRuntime.threadCount = threads }
    var clock = PhaseClock()
    let rendered = clock.measure("render") {
      RenderedImages(training, count: recipe.data.images, seed: recipe.seed)
    }
    let start = try start(resume: resume, rendered, &clock)
    let model = start.model
    let data = model.data(start.pool, rendered, training)
    for cycle in start.cycle..<recipe.flow.cycles {
      let flow = FlowPretraining(recipe.flow, model.networks)
      try await train(flow, model, data, cycle: cycle, &clock)
      flow.adoptAverages()
      try keep(model, afterCycle: cycle)
    }
    let images = clock.measure("evaluate") {
      recipe.evaluation.sampling.images(of: heldOut.map(\.prompt), model.pipeline)
    }
    let evaluation = try await score(images, heldOut)
    try save(model, to: recipe.output)
    try removeCycles()
    try writeSamples(evaluation, at: "last")
    return outcome(evaluation, model, clock)
  }

  /// A model whose flow is still to be trained from `cycle` on, and what it learns from.
  private struct Start {
    let model: PretrainedModel
    let pool: LatentPool
    let cycle: Int
  }

  private func start(
    resume: Bool, _ images: RenderedImages, _ clock: inout PhaseClock
  ) throws(PretrainingError) -> Start {
    if resume, let (cycle, folder) = lastCycle() {
      progress.message("continuing behind cycle \(cycle), \(folder)")
      let model = try PretrainedModel(folder: folder)
      let pool = clock.measure("encode") {
        LatentPool(images, model.pipeline.autoencoder.network)
      }
      return Start(model: model, pool: pool, cycle: cycle)
    }
    let autoencoder = try clock.measure("autoencoder") { () throws(PretrainingError) in
      try trainAutoencoder(images)
    }
    let pool = clock.measure("encode") { LatentPool(images, autoencoder.model) }
    progress.message(
      "latents: shift_factor \(Figure.text(pool.shift)), scaling_factor \(Figure.text(pool.scale))")
    let model = try PretrainedModel(
      recipe, autoencoder, pool, texts: training.map(\.prompt),
      generator: Generator(seed: seed(of: .flowWeights)))
    return Start(model: model, pool: pool, cycle: 0)
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
    var losses = RecentMean()
    try stage.run(
      on: images, generator: Generator(seed: seed(of: .autoencoderBatches))
    ) { step, loss throws(PretrainingError) in
      try note("autoencoder", step, of: total, loss, &losses)
    }
    progress.end()
    return stage
  }

  /// One cycle of the second stage, with a measurement every so many steps.
  private func train(
    _ flow: FlowPretraining, _ model: PretrainedModel, _ data: FlowPretraining.Data, cycle: Int,
    _ clock: inout PhaseClock
  ) async throws(PretrainingError) {
    let total = recipe.flow.stage.steps
    let stage = recipe.flow.cycles > 1 ? "flow \(cycle + 1)/\(recipe.flow.cycles)" : "flow"
    let generator = Generator(seed: seed(of: .flowBatches, cycle: cycle))
    progress.begin(stage, total: total)
    var losses = RecentMean()
    for start in stride(from: 0, to: total, by: recipe.evaluation.every) {
      let steps = start..<min(start + recipe.evaluation.every, total)
      try clock.measure("flow") { () throws(PretrainingError) in
        try flow.run(steps, on: data, generator: generator) {
          step, loss throws(PretrainingError) in
          try note(stage, step, of: total, loss, &losses)
        }
      }
      guard steps.upperBound < total else { break }
      try await measureMidway(flow, model, "\(stage) step \(steps.upperBound)", &clock)
    }
    progress.end()
  }

  /// Measures some prompts with the averaged weights, and writes those to the model folder.
  private func measureMidway(
    _ flow: FlowPretraining, _ model: PretrainedModel, _ place: String, _ clock: inout PhaseClock
  ) async throws(PretrainingError) {
    let prompts = Array(heldOut.prefix(recipe.evaluation.count))
    let start = ContinuousClock.now
    let images = try flow.average.withAverages { () throws(PretrainingError) in
      try save(model, to: recipe.output)
      return recipe.evaluation.sampling.images(of: prompts.map(\.prompt), model.pipeline)
    }
    let evaluation = try await score(images, prompts)
    clock.add("evaluate", since: start)
    try writeSamples(evaluation, at: place)
    progress.message(
      "\(place): strict \(Figure.text(evaluation.accuracy)), "
        + "partial \(Figure.text(evaluation.scores)) on \(prompts.count) held-out prompts")
  }

  /// Reports one step, its loss now and then, and stops when asked to.
  private func note(
    _ stage: String, _ step: Int, of total: Int, _ loss: Double, _ losses: inout RecentMean
  ) throws(PretrainingError) {
    progress.update(step)
    losses.add(loss)
    if step.isMultiple(of: max(1, total / 20)) || step == total {
      progress.message("\(stage) \(step): loss \(Figure.text(losses.take()))")
    }
    if isStopRequested() { throw .stopped(stage: stage, step: step) }
  }

  private func score(
    _ images: [PixelBuffer], _ prompts: [ScenePrompt]
  ) async throws(PretrainingError) -> Evaluation {
    do throws(RewardError) {
      return try await Evaluation(images, of: prompts, by: ShapesReward())
    } catch {
      throw .reward(error)
    }
  }
}
