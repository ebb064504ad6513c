import Foundation
import Foundations
import Recipes
import Runs
import TempFlow
import TestSupport
import Testing
import Torch
import Training

/// The changes of the tiny recipe that train finished samples.
private func forward(_ loss: String, _ run: String = "epochs: 2\nthreads: 1") -> [(String, String)]
{
  [
    ("steps: 3", "method: ode, steps: 3"), ("clip_range: 3e-2", loss), ("epochs: 4", run),
  ]
}

private func tensors(_ path: String) throws -> [String: Tensor] {
  try WeightsFile(path: path).tensors
}

/// Whole runs with losses on finished samples.
@MainActor
@Suite(.serialized) struct ForwardProcessTrainingTests {
  private func epochs(_ folder: TemporaryFolder) throws -> [JSONValue] {
    try MetricsLog.read(folder.path + "/run/metrics.jsonl").filter { $0[.kind] == "epoch" }
  }

  @Test func `a run with DiffusionNFT has no figures of a ratio`() async throws {
    let folder = try tinyTask()
    let summary = try await train(folder, forward("method: diffusion_nft, kl_beta: 0.1"))
    #expect(summary.isFinished)
    let lines = try epochs(folder)
    #expect(lines.count == 2)
    for line in lines {
      #expect(line[.images]?.int == 4 * 4 && line[.nfe]?.int == 4 * 4 * 3)
      #expect(line[.trainingSamples]?.int == 4 * 4 * 2)
      #expect(line[.trainingSamplesSkipped]?.int == 0)
      for name in [MetricName.clipFraction, .approximateKL, .ratioMaxDeviation] {
        #expect(line[name] == .null, "\(name)")
      }
      #expect(line[.clipFractionPerUpdate]?.array?.isEmpty == true)
      for name in [
        MetricName.clipFractionPositivePerStep, .clipFractionNegativePerStep,
        .logRatioMeanPerStep, .ratioMaxDeviationPerStep, .logProbDeviationPerStep,
      ] {
        #expect(line[name]?.members?.isEmpty == true, "\(name)")
      }
      #expect((line[.gradNorm]?.number ?? 0) > 0 && (line[.kl]?.number ?? 0) > 0)
      #expect((line[.oldVelocityDistance]?.number ?? 0) > 0)
      #expect(line[.gradientSharePerStep]?.members?.map(\.key) == ["0", "1"])
    }
    let files = try FileActions.names(folder.path + "/run/tree")
    #expect(files.isEmpty, "deterministic samples have no tree")
  }

  @Test func `a run with AWM has the figures of its ratio`() async throws {
    let folder = try tinyTask()
    _ = try await train(folder, forward("method: awm, clip_range: 1e-3, time_weight: sigma"))
    for line in try epochs(folder) {
      let clipped = try #require(line[.clipFraction]?.number)
      #expect((0...1).contains(clipped))
      #expect((line[.ratioMaxDeviation]?.number ?? 0) > 0)
      #expect((line[.approximateKL]?.number ?? 0) > 0)
      #expect(line[.logProbDeviationPerStep]?.members?.isEmpty == true)
    }
  }

  @Test(arguments: ["method: diffusion_nft, beta: 0.1", "method: awm, clip_range: 1"])
  func `training on finished samples raises the reward`(loss: String) async throws {
    let folder = try tinyTask()
    let summary = try await train(
      folder,
      forward(
        loss, "epochs: 24\nthreads: 1\nevaluation: {every: 24}\ncheckpoints: {every: 24}")
        + [("name: shapes", "name: jpeg_compressibility"), ("branches: 4", "branches: 8")])
    let gain = try #require(summary.after.overall.mean) - #require(summary.before.overall.mean)
    let error = summary.before.overall.standardError ?? 0
    #expect(gain > 4 * error, "\(summary.before.overall) to \(summary.after.overall)")
  }

  @Test func `the old policy follows the trained one after each epoch`() async throws {
    let folder = try tinyTask()
    _ = try await train(
      folder,
      forward(
        "method: diffusion_nft, old_policy: {decay: 0.25, decay_rate: 1, decay_start: 3}",
        "epochs: 2\nthreads: 1\ncheckpoints: {every: 1, keep: 3}"))
    func file(_ epoch: Int, _ name: String) throws -> [String: Tensor] {
      try tensors("\(folder.path)/run/checkpoints/00000\(epoch)/\(name).safetensors")
    }
    let (start, first, second) = (
      try file(0, "model"), try file(1, "model"), try file(2, "model")
    )
    let (copies, blended) = (try file(1, "old"), try file(2, "old"))
    #expect(try file(0, "old").count == start.count && !start.isEmpty)
    for name in start.keys {
      let (copy, blend) = (
        try #require(copies["old.\(name)"]), try #require(blended["old.\(name)"])
      )
      let (one, two) = (try #require(first[name]), try #require(second[name]))
      // Two updates are too few for a decay; after four it is 0.25.
      #expect(copy.floats() == one.floats())
      #expect(relativeError(blend, withoutGradient { one * 0.25 + two * 0.75 }) < 1e-6)
    }
    #expect(first.contains { $1.floats() != start[$0]?.floats() })
    #expect(blended.contains { $1.floats() != second[String($0.dropFirst(4))]?.floats() })
  }

  @Test(arguments: [
    "method: diffusion_nft, kl_beta: 0.1, old_policy: {decay: 0.5, decay_rate: 0.1}",
    "method: awm, clip_range: 1e-3, old_policy: {decay: 0.5, decay_rate: 1}",
  ])
  func `a resumed run equals an uninterrupted one bit for bit`(loss: String) async throws {
    let folder = try tinyTask()
    func schedule(_ epochs: Int) -> [(String, String)] {
      forward(
        loss,
        "epochs: \(epochs)\nthreads: 1\nevaluation: {every: 2, prompts: 2}\n"
          + "checkpoints: {every: 2}")
    }
    _ = try await train(folder, schedule(4), run: "whole")
    _ = try await train(folder, schedule(2), run: "parts")
    _ = try await train(folder, schedule(4), run: "parts", resume: true)
    for name in [
      "metrics.jsonl", "checkpoints/000004/model.safetensors",
      "checkpoints/000004/old.safetensors", "checkpoints/000004/optimizer.safetensors",
      "checkpoints/000004/ema.safetensors", "samples/after.png",
    ] {
      let files = try ["whole", "parts"].map { try AtomicFile.read("\(folder.path)/\($0)/\(name)") }
      #expect(files[0] == files[1], "\(name)")
    }
  }
}

@Suite struct ForwardProcessRecipeTests {
  private func messages(_ changes: [(String, String)]) -> [String] {
    do {
      _ = try readRecipe(recipeText(changes))
      return []
    } catch let error as RecipeError {
      return error.issues.map(\.description)
    } catch {
      return ["another error: \(error)"]
    }
  }

  @Test func `the defaults are those of the published configurations`() throws {
    let loss = try readRecipe(recipeText(forward("method: diffusion_nft"))).settings.loss
    let found = try #require(loss.forward)
    #expect(
      found.objective == ForwardProcessObjective(.diffusionNFT(beta: 1, advantageLimit: 5)))
    #expect([0, 1, 499, 500, 9999].map(found.old.decay) == [0, 0.001, 0.499, 0.5, 0.5])
    #expect(found.old.isCurrent(afterUpdates: 0) && !found.old.isCurrent(afterUpdates: 4))
    let other = try readRecipe(recipeText(forward("method: awm, clip_range: 1"))).settings.loss
    let awm = try #require(other.forward)
    #expect(
      awm.objective
        == ForwardProcessObjective(
          .advantageWeightedMatching(clipRange: 1.0, timeWeight: .uniform)))
    #expect(awm.old.decay == 0 && awm.old.isCurrent(afterUpdates: 100))
    let near = try readRecipe(
      recipeText(forward("method: awm, clip_range: 1, old_kl_beta: 0.5"))
    ).settings.loss
    #expect(near.forward?.objective.oldBeta == 0.5)
    let text =
      "method: diffusion_nft, old_policy: {decay: 0.999, decay_rate: 0.0075, "
      + "decay_start: 75}"
    let late = try #require(try readRecipe(recipeText(forward(text))).settings.loss.forward)
    #expect([74, 75, 77, 5000].map(late.old.decay) == [0, 0, 0.015, 0.999])
  }

  @Test func `a loss and a rollout that do not fit are refused, both ways`() {
    let deterministic = messages([("steps: 3", "method: ode, steps: 3")])
    #expect(deterministic.count == 1 && deterministic[0].contains("diffusion_nft or awm"))
    let stochastic = messages([("clip_range: 3e-2", "method: diffusion_nft")])
    #expect(stochastic.count == 1 && stochastic[0].contains("needs sampling.method ode"))
    #expect(stochastic[0].contains("not tempflow"))
  }

  @Test func `settings without a meaning are warnings`() throws {
    let recipe = try readRecipe(
      recipeText(
        forward("method: diffusion_nft, clip_range: 0.1, weighting: none, old_log_prob: rollout")
          + [("branches: 4", "branches: 4, noise_level: 1, dynamics: cps")]))
    let warnings = recipe.warnings.map { "\($0)" }
    for key in ["clip_range", "weighting", "old_log_prob", "noise_level", "dynamics"] {
      #expect(warnings.contains { $0.contains("\(key)") && $0.contains("has no effect") }, "\(key)")
    }
    let policy = try readRecipe(recipeText([("clip_range: 3e-2", "clip_range: 3e-2, beta: 1")]))
    #expect(policy.warnings.contains { "\($0)".contains("method is policy") })
    let constant = try readRecipe(
      recipeText(forward("method: awm, clip_range: 1, old_policy: {decay_rate: 1}")))
    #expect(constant.warnings.contains { "\($0)".contains("decay is 0") })
  }
}

@Suite struct ForwardProcessPlanTests {
  private func plan(
    _ changes: [(String, String)], processes: Int = 1
  ) throws -> TrainingPlan {
    let folder = try TemporaryFolder()
    try folder.writeShapesTask(prompts: 8, heldOut: 6)
    let recipe = try TrainingRecipe.read(
      RecipeDocument(text: recipeText(changes), name: "recipe.yaml", folder: folder.path))
    return try TrainingPlan(recipe.settings, processes: processes)
  }

  @Test func `the plan counts the old policy's evaluations and memory`() throws {
    let grpo = try plan([("steps: 3", "method: flow_grpo, steps: 3")])
    let nft = try plan(forward("method: diffusion_nft", "epochs: 3"))
    #expect(nft.firstEpoch.rolloutEvaluations == 4 * 4 * 3)
    #expect(nft.firstEpoch.decodes == 16 && nft.trainingSamplesPerEpoch == 32)
    // The first update of the first epoch trains the old policy itself.
    #expect(nft.firstEpoch.referenceEvaluations == 16)
    #expect(nft.total.referenceEvaluations == 16 + 2 * 32)
    let awm = try plan(forward("method: awm, clip_range: 1, kl_beta: 0.1", "epochs: 3"))
    #expect(awm.total.referenceEvaluations == 3 * (16 + 32))
    func bytes(_ plan: TrainingPlan, _ name: String) throws -> Int {
      try #require(plan.memory.phases.flatMap(\.items).first { $0.name == name }?.bytes)
    }
    let parameters = try bytes(nft, "trainable parameters") - bytes(grpo, "trainable parameters")
    #expect(parameters == 4 * nft.trainableParameters)
    #expect(
      nft.memory.phases.filter { $0.items.contains { $0.name == "weights set aside" } }.map(\.name)
        == ["rollout", "decode", "learning", "evaluation"])
    #expect(
      grpo.memory.phases.filter { $0.items.contains { $0.name == "weights set aside" } }.map(\.name)
        == ["evaluation"])
    // One latent of 4 x 8 x 8 a trunk instead of two a training sample.
    #expect(try bytes(grpo, "latents") - bytes(nft, "latents") == (2 * 32 - 16) * 4 * 256)
  }

  @Test func `processes send finished latents once a rank`() throws {
    func sent(_ steps: String) throws -> Int {
      let plan = try plan(
        forward("method: diffusion_nft") + [
          ("branches: 4", "branches: 4, trained_steps: \(steps)"),
          ("updates_per_epoch: 2", "updates_per_epoch: 2, micro_batch: 4"),
        ], processes: 2)
      return try #require(plan.processes).sent.samplesPerEpoch
    }
    // 16 trunks, 8 of each rank; the other rank trains half of the samples.
    #expect(try sent("[0]") == 8 * 1024 / 2)
    #expect(try sent("[0, 1]") == 8 * 1024 * 3 / 4)
  }
}
