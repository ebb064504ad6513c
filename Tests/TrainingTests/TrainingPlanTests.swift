import DiffusionModels
import FlowMatching
import Foundation
import Recipes
import TempFlow
import TestSupport
import Testing
import Torch
import Training

@Suite struct TrainingPlanTests {
  private func plan(_ changes: [(String, String)] = []) throws -> TrainingPlan {
    let folder = try TemporaryFolder()
    try folder.writeShapesTask(prompts: 8, heldOut: 6)
    let recipe = try TrainingRecipe.read(
      RecipeDocument(text: recipeText(changes), name: "recipe.yaml", folder: folder.path))
    return try TrainingPlan(recipe.settings)
  }

  @Test func `the paper's setting costs 279 evaluations a trunk`() throws {
    let plan = try plan([
      ("steps: 3, branches: 4", "steps: 10, branches: 6"), ("per_epoch: 4", "per_epoch: 2"),
    ])
    #expect(plan.firstEpoch.rolloutEvaluations == 2 * 279)
    #expect(plan.firstEpoch.decodes == 2 * 9 * 6)
    #expect(plan.trainingSamplesPerEpoch == 18)
    #expect(plan.groupsPerEpoch == 18)
    #expect(plan.rowsPerGroup == 6)
  }

  @Test func `a tail of stride 2 costs 159, and the trunk's image one more`() throws {
    let small = [("per_epoch: 4", "per_epoch: 2"), ("epochs: 4", "epochs: 1")]
    let tail = try plan(
      small + [("steps: 3, branches: 4", "steps: 10, branches: 6, tail: {stride: 2}")])
    #expect(tail.firstEpoch.rolloutEvaluations == 2 * 159)
    #expect(tail.firstEpoch.decodes == 2 * 9 * 6)
    let trunk = try plan(
      small + [
        ("steps: 3, branches: 4", "steps: 10, branches: 6"),
        ("epochs: 1", "epochs: 1\nadvantage: {baseline: trunk}"),
      ])
    #expect(trunk.firstEpoch.rolloutEvaluations == 2 * 280)
    #expect(trunk.firstEpoch.decodes == 2 * (9 * 6 + 1))
    #expect(trunk.firstEpoch.rewards == 2 * (9 * 6 + 1))
    #expect(trunk.groupsPerEpoch == 2 * 9 && trunk.rowsPerGroup == 6)
    #expect(trunk.text(teraflops: 1).contains("(baseline trunk, scale batch)"))
  }

  @Test func `three of the first five steps cost 130.5 evaluations a trunk over many epochs`()
    throws
  {
    let plan = try plan([
      (
        "steps: 3, branches: 4", "steps: 10, branches: 6, trained_steps: {random: 3, of: 5}"
      ), ("epochs: 4", "epochs: 1000"), ("per_epoch: 4", "per_epoch: 2"),
    ])
    // Draws cost 113 to 147 with a deviation below 12, so a mean of 1000 has an error below 0.4.
    let mean = Double(plan.total.rolloutEvaluations) / Double(1000 * 2)
    #expect(abs(mean - 130.5) < 1.5)
    #expect(plan.total.decodes == 1000 * 2 * 18)
  }

  @Test(arguments: [
    "all", "{first: 2}", "{sliding: 2}", "{random: 3}", "{window: 2, of: 3}", "[1, 3]",
  ])
  func `evaluations agree with the rollout's own count`(_ steps: String) throws {
    let plan = try plan([
      ("steps: 3, branches: 4", "steps: 6, branches: 3, trained_steps: \(steps)"),
      ("updates_per_epoch: 2", "updates_per_epoch: 1"),
    ])
    let recipe = try readRecipe(
      recipeText([
        ("steps: 3, branches: 4", "steps: 6, branches: 3, trained_steps: \(steps)"),
        ("updates_per_epoch: 2", "updates_per_epoch: 1"),
      ])
    ).settings
    let rollout = try recipe.rolloutPlan(
      FlowSchedule(SchedulerConfiguration(), stepCount: 6))
    let each = (0..<4).map { epoch in
      4
        * rollout.evaluationsPerTrunk(
          steps: recipe.sampling.trainedSteps.steps(stepCount: 6, run: 0, epoch: epoch))
    }
    #expect(plan.firstEpoch.rolloutEvaluations == each[0])
    #expect(plan.total.rolloutEvaluations == each.reduce(0, +))
  }

  @Test func `guidance doubles the network's rows`() throws {
    let plain = try plan()
    let guided = try plan([("steps: 3", "steps: 3, guidance_scale: 2")])
    #expect(guided.firstEpoch.rolloutEvaluations == 2 * plain.firstEpoch.rolloutEvaluations)
    #expect(guided.firstEpoch.learningEvaluations == 2 * plain.firstEpoch.learningEvaluations)
    #expect(guided.firstEpoch.rolloutEvaluationsUnguided == plain.firstEpoch.rolloutEvaluations)
  }

  @Test func `gradient checkpointing is a further forward pass of each training sample`() throws {
    let plain = try plan()
    let recomputing = try plan([("epochs: 4", "epochs: 4\ngradient_checkpointing: true")])
    let added = recomputing.transformerFlops - plain.transformerFlops
    // Without a distance to a reference, the rest of the plain operations are of training.
    let trained = Double(plain.total.learningEvaluations)
    let evaluated = Double(plain.total.rolloutEvaluations + plain.evaluationEvaluations)
    #expect(plain.total.referenceEvaluations == 0 && added > 0)
    let forwards = plain.transformerFlops / (added / trained)
    #expect(forwards > evaluated + 2 * trained && forwards < evaluated + 4 * trained)
  }

  @Test func `Flow-GRPO samples all steps of every image`() throws {
    let plan = try plan([("steps: 3", "steps: 3, method: flow_grpo")])
    #expect(plan.firstEpoch.rolloutEvaluations == 4 * 4 * 3)
    #expect(plan.firstEpoch.decodes == 16)
    #expect(plan.trainingSamplesPerEpoch == 32)
    #expect(plan.rowsPerGroup == 4)
  }

  @Test func `evaluations are at the start, at every interval and at the end`() throws {
    let plain = try plan([("epochs: 4", "epochs: 7\nevaluation: {every: 3}")])
    #expect(plain.evaluations == 4)
    #expect(plain.evaluationEvaluations == 4 * 6 * 3)
    #expect(plain.evaluationScores == 4 * 6)
    let held = try plan([
      (
        "epochs: 4",
        "epochs: 7\nevaluation: {every: 3}\nheld_out_rewards: "
          + "[{name: jpeg_compressibility, threshold: 0.1}]"
      )
    ])
    #expect(held.evaluationScores == 2 * 4 * 6)
  }

  @Test func `more prompts than the file holds are refused with the file's number`() {
    #expect {
      try plan([("per_epoch: 4", "per_epoch: 9")])
    } throws: { error in
      "\(error)".contains("holds 8 prompts; use at most 8")
    }
  }

  @Test func `an adapter target that matches nothing is refused before anything is loaded`() {
    #expect {
      try plan([("trainable: full", "trainable: lora\nlora: {targets: [attn.to_z]}")])
    } throws: { error in
      "\(error)".contains("attn.to_z")
    }
  }

  @Test func `adapters have rank times the widths of the adapted layers as parameters`() throws {
    let full = try plan()
    let lora = try plan([
      ("trainable: full", "trainable: lora\nlora: {rank: 2, targets: [attn.to_q]}")
    ])
    // Two blocks, one square projection of width 16 each.
    #expect(lora.trainableParameters == 2 * 2 * (16 + 16))
    #expect(full.trainableParameters > lora.trainableParameters)
    func parameters(_ plan: TrainingPlan) -> Int? {
      plan.memory.phases[1].items.first { $0.name == "trainable parameters" }?.bytes
    }
    #expect(try #require(parameters(lora)) < #require(parameters(full)))
  }

  @Test func `a model folder without a transformer is refused by name`() throws {
    let folder = try TemporaryFolder()
    try folder.writeShapesTask(prompts: 8, heldOut: 6)
    let text = recipeText([("model: model", "model: elsewhere")])
    let recipe = try TrainingRecipe.read(
      RecipeDocument(text: text, name: "recipe.yaml", folder: folder.path))
    #expect {
      try TrainingPlan(recipe.settings)
    } throws: { error in
      "\(error)".contains("elsewhere: there is no model")
    }
  }

  @Test func `the text has every figure`() throws {
    let text = try plan().text(teraflops: 0.1)
    for word in ["prompts", "groups", "model calls", "decodes", "rewards", "updates", "memory"]
      + ["prompt cache", "GPU-hours at 0.1 TFLOP/s", "trainable parameters"]
    {
      #expect(text.contains(word))
    }
  }

  @Test func `every key of the JSON is in snake case`() throws {
    let advised = try plan([("epochs: 4", "epochs: 4\nmemory_budget: 100MB\ntime_limit: 60")])
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(advised))
    let keys = Self.keys(of: object)
    #expect(keys.isSuperset(of: ["first_epoch", "rollout_nfe", "peak_phase", "time_limit"]))
    #expect(keys.filter { $0 != $0.lowercased() }.isEmpty)
  }

  private static func keys(of value: Any) -> Set<String> {
    if let object = value as? [String: Any] {
      return object.reduce(into: []) { $0.formUnion(keys(of: $1.value).union([$1.key])) }
    }
    return (value as? [Any] ?? []).reduce(into: []) { $0.formUnion(keys(of: $1)) }
  }

  @Test func `both halves of guidance are one model call and two rows`() throws {
    let (plain, guided) = (try plan(), try plan([("steps: 3", "steps: 3, guidance_scale: 3")]))
    #expect(guided.firstEpoch.rolloutCalls == plain.firstEpoch.rolloutCalls)
    #expect(guided.firstEpoch.learningCalls == plain.firstEpoch.learningCalls)
    #expect(guided.firstEpoch.rolloutEvaluations == 2 * plain.firstEpoch.rolloutEvaluations)
  }

  @Test func `the prompt cache and the hours of a GPU follow from the configuration`() throws {
    let text = tinyTextEncoder
    // CLIP's rows of both encoders and the pooled vectors, in float32.
    let elements = text.maxPositionEmbeddings * 2 * text.hiddenSize + 2 * text.projectionDim
    // 8 training prompts, 6 held-out ones; with guidance the negative one.
    #expect(try plan().promptCacheBytes == 14 * 4 * elements)
    let guided = try plan([("steps: 3", "steps: 3, guidance_scale: 3")])
    #expect(guided.promptCacheBytes == 15 * 4 * elements)
    #expect(guided.transformerFlops > 1.9 * (try plan().transformerFlops))
    #expect(abs(guided.gpuHours(flopsPerSecond: guided.transformerFlops) * 3600 - 1) < 1e-12)
  }

  @Test func `a reward's network on the run's device is in every phase of the memory`() throws {
    let weights = fixture("rewards/clip/gelu")
    func entry(_ keys: String) -> [(String, String)] {
      let reward = "{name: pickscore, model: \(weights), threshold: 0.1\(keys)}"
      return [("epochs: 4", "epochs: 4\nheld_out_rewards: [\(reward)]")]
    }
    func bytes(_ plan: TrainingPlan) -> [Int] {
      plan.memory.phases.flatMap(\.items).filter { $0.name == "rewards" }.map(\.bytes)
    }
    let count = try WeightsFile(path: "\(weights)/model.safetensors").tensors.values
      .reduce(0) { $0 + $1.count }
    #expect(bytes(try plan()).isEmpty)
    #expect(bytes(try plan(entry(""))) == Array(repeating: 4 * count, count: 5))
    #expect(
      bytes(try plan(entry(", precision: bfloat16"))) == Array(repeating: 2 * count, count: 5))
    #expect(bytes(try plan(entry(", device: cuda"))).isEmpty)
  }

  @Test func `memory is stated for every phase, and its peak is the largest`() throws {
    let memory = try plan().memory
    #expect(memory.phases.map(\.name) == ["text", "rollout", "decode", "learning", "evaluation"])
    #expect(memory.phases.allSatisfy { $0.items.allSatisfy { $0.bytes > 0 } })
    #expect(memory.peak.bytes == memory.phases.map(\.bytes).max())
    let again = try plan([("epochs: 4", "epochs: 4\ngradient_checkpointing: true")]).memory
    #expect(again.phases[3].bytes < memory.phases[3].bytes)
  }

  @Test func `a peak above the budget is stated with the settings that lower it`() throws {
    let small = try plan([("epochs: 4", "epochs: 4\nmemory_budget: 100MB")])
    let excess = try #require(small.memory.excess)
    #expect(excess == small.memory.peak.bytes - 100_000_000)
    #expect(small.memory.decodeMicroBatch == 1)
    #expect(small.memoryAdvice.allSatisfy { $0.peak < small.memory.peak.bytes })
    #expect(small.text(teraflops: 400).contains("TOO MUCH by"))
    let enough = try plan([("epochs: 4", "epochs: 4\nmemory_budget: 8GiB")])
    #expect(enough.memory.budget == 8 << 30)
    #expect(enough.memory.excess == nil)
    #expect(enough.memory.decodeMicroBatch == 256)
    #expect(enough.memoryAdvice.isEmpty)
  }

  @Test func `a micro-batch for decoding in the recipe is kept`() throws {
    let memory = try plan([("steps: 3", "steps: 3, decode_micro_batch: 3")]).memory
    #expect(memory.decodeMicroBatch == 3)
    #expect(!memory.choosesDecodeMicroBatch)
  }
}
