import Foundation
import Foundations
import Recipes
import Rewards
import Runs
import Testing
import Torch
import Training

/// Runs a tiny model in a folder of its own.
///
/// - Parameters:
///   - scorer: replaces the recipe's rewards.
///   - write: receives the progress lines and messages.
@MainActor
func train(
  _ folder: TemporaryFolder, _ changes: [(String, String)] = [], run: String = "run",
  resume: Bool = false, scorer: Scorer? = nil, write: @escaping (String) -> Void = { _ in }
) async throws -> RunSummary {
  let recipe = try TrainingRecipe.read(
    RecipeDocument(text: recipeText(changes), name: "tiny.yaml", folder: folder.path))
  let output = try RunOutput(
    "\(folder.path)/\(run)", resume: resume, recipe: recipe, recipeName: "tiny",
    progress: ProgressReporter(columns: nil, write: write, now: { 0 }))
  return try await Trainer(recipe.settings, scorer: scorer, output: output).train()
}

/// The shapes task with a tiny model of random weights.
func tinyTask() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  try folder.writeShapesTask(prompts: 8, heldOut: 6)
  try writeTinyModel(to: folder.path + "/model")
  return folder
}

private func contents(_ path: String) throws -> Data {
  try Data(contentsOf: URL(filePath: path))
}

@MainActor
@Suite(.serialized) struct TrainerTests {
  @Test func `a run whose whole pipeline could not be written is refused at its start`() async throws
  {
    let folder = try tinyTask()
    let changes = [("epochs: 4", "epochs: 1\nthreads: 1")]
    _ = try await train(folder, changes)
    // All prompts are in the cache now.
    try FileManager.default.removeItem(atPath: folder.path + "/model/text_encoder_2")
    let error = await #expect(throws: (any Error).self) {
      try await train(folder, changes, run: "second")
    }
    let text = "\(try #require(error))"
    #expect(text.contains("text_encoder_2: it is missing, and a run with trainable: full"), "\(text)")
  }

  @Test func `a run writes its metrics, samples, model, tree and summary`() async throws {
    let folder = try tinyTask()
    let summary = try await train(folder, [("epochs: 4", "epochs: 2\nthreads: 1")])
    #expect(summary.isFinished)
    #expect(summary.epochs == 2)
    #expect(summary.before.overall.count == 6)
    #expect(summary.evaluationProtocol.reward == "shapes_strict")
    let run = folder.path + "/run"
    for file in [
      "recipe.yaml", "summary.json", "samples/before.png", "samples/before.json",
      "samples/after.png", "tree/tree.json", "tree/trunk.png", "model/model_index.json",
      "model/text_encoder_2/model.safetensors", "model/tokenizer/vocab.json",
    ] {
      #expect(FileManager.default.fileExists(atPath: "\(run)/\(file)"), "\(file)")
    }
    let lines = try MetricsLog.read(run + "/metrics.jsonl")
    #expect(lines.map { $0[.kind]?.string } == ["evaluation", "epoch", "epoch", "evaluation"])
    #expect(lines[1][.images]?.int == 4 * 2 * 4)
    #expect(lines[1][.nfe]?.int == 4 * (2 + 4 * 3))
    #expect(lines[2][.updates]?.int == 4)
    let sheet = try JSONDecoder().decode(
      SampleSheet.self, from: contents(run + "/samples/after.json"))
    #expect(sheet.epoch == 2)
    #expect(sheet.samples.count == 6)
  }

  @Test func `the seconds of an epoch's phases add up to no more than the epoch's`() async throws {
    let folder = try tinyTask()
    let summary = try await train(folder, [("epochs: 4", "epochs: 2\nthreads: 1")])
    let lines = try MetricsLog.read(folder.path + "/run/timings.jsonl")
    #expect(
      lines.map { $0[.kind]?.string }
        == ["start", "evaluation", "checkpoint", "epoch", "epoch", "evaluation", "checkpoint"])
    let names = [
      MetricName.textSeconds, .rolloutSeconds, .decodeSeconds, .rewardSeconds, .updateSeconds,
    ]
    for line in lines where line[.kind] == "epoch" {
      let seconds = try names.map { try #require(line[$0]?.number) }
      #expect(seconds.allSatisfy { $0 > 0 }, "\(seconds)")
      #expect(seconds.reduce(0, +) <= (line[.epochSeconds]?.number ?? 0))
    }
    #expect(
      Set(summary.phaseSeconds.keys) == [
        "load", "text", "rollout", "decode", "reward", "learning", "evaluation", "checkpoint",
      ])
    let updates = lines.compactMap { $0[.updateSeconds]?.number }.reduce(0, +)
    #expect(abs(summary.phaseSeconds["learning", default: 0] - updates) < 1e-9)
  }

  @Test func `the keys of a checkpoint's state are those of its format`() async throws {
    let folder = try tinyTask()
    _ = try await train(
      folder, [("epochs: 4", "epochs: 1\nthreads: 1\nevaluation: {prompts: 2}")])
    let bytes = try AtomicFile.read(folder.path + "/run/checkpoints/000001/state.json")
    let state = try JSONParser.parse(bytes[...])
    #expect(
      Set((state.members ?? []).map(\.key)) == [
        "epoch", "evaluations", "fingerprint", "metrics_bytes", "peak_memory", "phase_seconds",
        "recipe_name", "score_name", "software", "timings_bytes", "total_seconds", "updates",
      ])
  }

  @Test func `training raises the reward`() async throws {
    let folder = try tinyTask()
    let summary = try await train(
      folder,
      [
        ("epochs: 4", "epochs: 24\nthreads: 1\nevaluation: {every: 24}\ncheckpoints: {every: 24}"),
        ("name: shapes", "name: jpeg_compressibility"), ("branches: 4", "branches: 8"),
      ])
    let gain = try #require(summary.after.overall.mean) - #require(summary.before.overall.mean)
    let error = summary.before.overall.standardError ?? 0
    #expect(gain > 4 * error, "\(summary.before.overall) to \(summary.after.overall)")
  }

  @Test func `a second run reads the prompt cache and needs no text encoder`() async throws {
    let folder = try tinyTask()
    let changes = [
      ("trainable: full", "trainable: lora"), ("epochs: 4", "epochs: 2\nthreads: 1"),
      ("steps: 3", "steps: 3, guidance_scale: 2, negative_prompt: blurry"),
    ]
    _ = try await train(folder, changes, run: "first")
    for component in ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"] {
      try FileManager.default.removeItem(atPath: "\(folder.path)/model/\(component)")
    }
    _ = try await train(folder, changes, run: "second")
    for file in ["metrics.jsonl", "samples/after.png"] {
      #expect(
        try contents("\(folder.path)/first/\(file)") == contents("\(folder.path)/second/\(file)"))
    }
    await #expect(throws: TrainingError.self) {
      _ = try await train(folder, changes + [("blurry", "a new text")], run: "third")
    }
  }

  @Test func `every update's loss is reported, and rollout and training agree before the first`()
    async throws
  {
    let folder = try tinyTask()
    _ = try await train(folder, [("epochs: 4", "epochs: 2\nthreads: 1")])
    let lines = try MetricsLog.read(folder.path + "/run/metrics.jsonl")
    for line in lines where line[.kind] == "epoch" {
      #expect(line[.policyLossPerUpdate]?.array?.count == 2)
      #expect(line[.gradNormPerUpdate]?.array?.count == 2)
      #expect((line[.gradNorm]?.number ?? 0) > 0)
      #expect((line[.rewardStd]?.number ?? 0) > 0)
      // In float32, rollout and training differ by the rounding of other batch sizes.
      let deviations = try #require(line[.logProbDeviationPerStep]?.members)
      #expect(deviations.count == 2 && deviations.allSatisfy { ($0.value.number ?? 1) < 1e-4 })
      #expect((line[.ratioMaxDeviation]?.number ?? 0) > 0)
    }
  }

  @Test(arguments: [
    "method: flow_grpo", "method: flow_grpo_fast, trained_steps: {first: 1}",
    "trunks_per_rollout_batch: 1", "guidance_scale: 2", "dynamics: cps",
    "trained_steps: {sliding: 1}", "noise_limit: 0.5", "noise_limit: 9",
  ])
  func `every sampling setting trains`(_ setting: String) async throws {
    let folder = try tinyTask()
    let summary = try await train(
      folder,
      [
        ("epochs: 4", "epochs: 1\nthreads: 1\nevaluation: {prompts: 2}"),
        ("steps: 3", "steps: 3, \(setting)"),
      ])
    #expect(summary.isFinished)
    let line = try MetricsLog.read(folder.path + "/run/metrics.jsonl")[1]
    #expect((line[.gradNorm]?.number ?? 0) > 0)
    let log = try String(contentsOfFile: folder.path + "/run/log.txt", encoding: .utf8)
    #expect(log.contains("noise_limit: has no effect") == (setting == "noise_limit: 9"))
  }

  @Test func `the learning rate falls at the end of a run`() async throws {
    let folder = try tinyTask()
    _ = try await train(
      folder,
      [
        ("epochs: 4", "epochs: 4\nthreads: 1\nevaluation: {prompts: 2}"),
        ("learning_rate: 1e-3", "learning_rate: 1e-3, cooldown: 0.5"),
      ])
    let rates = try MetricsLog.read(folder.path + "/run/metrics.jsonl")
      .compactMap { $0[.learningRate]?.number }
    #expect(rates == [1e-3, 1e-3, 1e-3, 5e-4])
  }

  @Test func `a benchmark's own verdicts are what an evaluation measures`() async throws {
    let folder = try tinyTask()
    let reward = StubReward(name: "geneval") { samples in
      var scores = RewardScores(total: samples.map { brightness($0.image) })
      scores.parts = [
        .init(name: "strict", values: samples.map { _ in 0 }),
        .init(name: "official", values: samples.map { _ in 1 }),
      ]
      return scores
    }
    let summary = try await train(
      folder, [("epochs: 4", "epochs: 1\nthreads: 1")], scorer: Scorer([reward], weights: [1]))
    #expect(summary.evaluationProtocol.reward == "geneval_official")
    #expect(summary.evaluationProtocol.quantizeBase == "none")
    #expect(summary.after.overall.mean == 1 && summary.after.overall.count == 6)
  }

  @Test(arguments: ["full", "lora"])
  func `the KL divergence from the model before training is measured`(
    _ trainable: String
  ) async throws {
    let folder = try tinyTask()
    _ = try await train(
      folder,
      [
        ("epochs: 4", "epochs: 1\nthreads: 1\nevaluation: {prompts: 2}"),
        ("clip_range: 3e-2", "clip_range: 3e-2, kl_beta: 0.01, old_log_prob: recomputed"),
        ("trainable: full", "trainable: \(trainable)"),
        ("learning_rate: 1e-3", "learning_rate: 1e-2"),
      ])
    let line = try MetricsLog.read(folder.path + "/run/metrics.jsonl")[1]
    #expect((line[.kl]?.number ?? 0) > 0)
  }

  @Test func `gradient checkpointing computes the same gradients`() async throws {
    let folder = try tinyTask()
    let settings = [
      ("epochs: 4", "epochs: 2\nthreads: 1\nevaluation: {prompts: 2}"),
      ("trainable: full", "trainable: lora"),
      ("steps: 3", "steps: 3, guidance_scale: 2"),
    ]
    _ = try await train(folder, settings, run: "kept")
    let checkpointing = [("epochs: 2", "epochs: 2\ngradient_checkpointing: true")]
    let summary = try await train(folder, settings + checkpointing, run: "recomputed")
    func norms(_ run: String) throws -> [Double] {
      try MetricsLog.read("\(folder.path)/\(run)/metrics.jsonl").compactMap {
        $0[.gradNorm]?.number
      }
    }
    let (kept, recomputed) = (try norms("kept"), try norms("recomputed"))
    #expect(kept.count == 2 && recomputed.count == 2)
    for (one, other) in zip(kept, recomputed) { #expect(abs(one - other) <= 1e-4 * one) }
    #if os(Linux)
      let peaks = try #require(summary.peakMemory)
      #expect(
        Set(peaks.keys) == ["load", "text", "rollout", "decode", "learning", "evaluation"])
      #expect(peaks.values.allSatisfy { $0 > 10_000_000 })
    #endif
  }

  @Test func `several rollout batches result in the same rewards as one`()
    async throws
  {
    let folder = try tinyTask()
    let setting = ("epochs: 4", "epochs: 2\nthreads: 1\nevaluation: {prompts: 2}")
    _ = try await train(folder, [setting], run: "whole")
    _ = try await train(
      folder, [setting, ("steps: 3", "steps: 3, trunks_per_rollout_batch: 1")], run: "parts")
    let whole = try MetricsLog.read(folder.path + "/whole/metrics.jsonl")[1]
    let parts = try MetricsLog.read(folder.path + "/parts/metrics.jsonl")[1]
    let first = try #require(whole[.rewardMean]?.number)
    let second = try #require(parts[.rewardMean]?.number)
    // Batches of other sizes round differently: single pixels change, and the mean by less than
    // 1e-3.
    #expect(abs(first - second) < 1e-3)
  }

  @Test func `weights that diverge stop the run with cause, epoch and last good checkpoint`()
    async throws
  {
    let folder = try tinyTask()
    await #expect {
      try await train(
        folder,
        [
          ("epochs: 4", "epochs: 4\nthreads: 1\ncheckpoints: {every: 1}"),
          ("learning_rate: 1e-3", "learning_rate: 1e30"),
        ])
    } throws: { error in
      let text = "\(error)"
      return text.contains("not finite") && text.contains("epoch ")
        && text.contains("checkpoints/00000")
    }
  }

  @Test func `a time limit ends the run as finished`() async throws {
    let folder = try tinyTask()
    let summary = try await train(
      folder, [("epochs: 4", "epochs: 400\ntime_limit: 0.01\nthreads: 1")])
    #expect(summary.isFinished)
    #expect(summary.epochs == 1)
    #expect(FileManager.default.fileExists(atPath: folder.path + "/run/samples/after.png"))
  }
}
