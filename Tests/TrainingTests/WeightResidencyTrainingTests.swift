import DiffusionModels
import Foundation
import Foundations
import Recipes
import Runs
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// Runs whose frozen weights are quantized or on the host, with the tiny FLUX.1 of the fixtures: a
/// double block and two single ones.
@MainActor
@Suite(.serialized) struct WeightResidencyTrainingTests {
  private func task() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: fixture("flux-dev/model"), toPath: "\(folder.path)/model")
    for (name, count) in [("train.jsonl", 6), ("held-out.jsonl", 3)] {
      let lines = (0..<count).map { "{\"prompt\": \"a photo of \($0) red circles\"}" }
      try folder.write(lines.joined(separator: "\n"), to: name)
    }
    return folder
  }

  private func recipe(
    _ folder: TemporaryFolder, _ overrides: [String]
  ) throws -> Recipe<TrainingRecipe> {
    let text = recipeText([
      (
        "trainable: full",
        "trainable: lora\nresolution: [16, 24]\nmax_sequence_length: 8\nlora: {rank: 2}\n"
          + "threads: 1\ncheckpoints: {every: 1}\nema: {update_every: 1}\n"
          + "gradient_checkpointing: true"
      ),
      ("clip_range: 3e-2", "clip_range: 3e-2, kl_beta: 0.01"),
      ("[{name: shapes}]", "[{name: jpeg_compressibility}]"), ("epochs: 4", "epochs: 2"),
    ])
    return try folder.recipe(text, overrides)
  }

  private func train(
    _ folder: TemporaryFolder, _ run: String, resume: Bool = false, _ overrides: [String]
  ) async throws -> RunSummary {
    try await folder.train(try recipe(folder, overrides), as: run, resume: resume)
  }

  private func bytes(_ folder: TemporaryFolder, _ file: String) throws -> Data {
    try Data(contentsOf: URL(filePath: "\(folder.path)/\(file)"))
  }

  @Test(arguments: [
    ["quantize_base=int8"], ["quantize_base=float8", "offload=blocks"],
    ["quantize_base=int8", "dtype=bfloat16"], ["offload=blocks", "dtype=bfloat16"],
  ])
  func `a run trains, has a ratio of 1 at its first update, and resumes to the same bytes`(
    settings: [String]
  ) async throws {
    let folder = try task()
    let summary = try await train(folder, "whole", settings)
    #expect(summary.isFinished && summary.after.overall.count == 3)
    let lines = try MetricsLog.read("\(folder.path)/whole/metrics.jsonl")
    let epochs = lines.filter { $0[.kind] == "epoch" }
    #expect(epochs.count == 2)
    for line in epochs {
      #expect((line[.gradNorm]?.number ?? 0) > 0)
      // Rollout and update compute with the same numbers, in batches of other sizes.
      let deviations = try #require(line[.logProbDeviationPerStep]?.members)
      #expect(!deviations.isEmpty)
      // In bfloat16 the old log-probabilities come from the update's own forward pass.
      for member in deviations where !settings.contains("dtype=bfloat16") {
        #expect((member.value.number ?? 1) < 1e-4)
      }
    }
    _ = try await train(folder, "parts", settings + ["epochs=1"])
    _ = try await train(folder, "parts", resume: true, settings)
    let file = "checkpoints/000002/model.safetensors"
    #expect(try bytes(folder, "whole/\(file)") == bytes(folder, "parts/\(file)"))
  }

  @Test func `blocks on the host train the adapters of blocks in memory, bit for bit`()
    async throws
  {
    let folder = try task()
    _ = try await train(folder, "resident", ["epochs=1"])
    _ = try await train(folder, "offloaded", ["epochs=1", "offload=blocks"])
    for file in ["metrics.jsonl", "adapters/adapter_model.safetensors"] {
      #expect(try bytes(folder, "resident/\(file)") == bytes(folder, "offloaded/\(file)"))
    }
  }

  @Test func `one process alone keeps the whole base`() async throws {
    let folder = try task()
    _ = try await train(folder, "none", ["epochs=1"])
    _ = try await train(folder, "base", ["epochs=1", "shard=base"])
    for file in ["metrics.jsonl", "adapters/adapter_model.safetensors"] {
      #expect(try bytes(folder, "none/\(file)") == bytes(folder, "base/\(file)"))
    }
  }

  @Test func `adapters of a quantized base are merged into the weights of the model's folder`()
    async throws
  {
    let folder = try task()
    _ = try await train(folder, "run", ["epochs=1", "quantize_base=int8"])
    let lora = try LearnedAdapters("\(folder.path)/run").lora
    try lora.merge(model: "\(folder.path)/model", to: "\(folder.path)/merged")
    let file = "transformer/diffusion_pytorch_model.safetensors"
    let (own, merged) = (
      try WeightsFile(path: "\(folder.path)/model/\(file)").tensors,
      try WeightsFile(path: "\(folder.path)/merged/\(file)").tensors
    )
    var adapted = 0
    for (name, tensor) in own {
      let path = String(name.dropLast(".weight".count))
      var expected = tensor
      if let down = lora.tensors["\(path).lora_A.weight"],
        let up = lora.tensors["\(path).lora_B.weight"], name.hasSuffix(".weight")
      {
        expected = tensor + up.matmul(down) * lora.config.scale
        adapted += 1
      }
      #expect(relativeError(try #require(merged[name]), expected) < 1e-6, "\(name)")
    }
    #expect(adapted == lora.paths.count && adapted > 0)
  }

  @Test func `a run resumes with another offload or sharing and not with another quantization`()
    async throws
  {
    let folder = try task()
    let settings = ["quantize_base=int8"]
    _ = try await train(folder, "run", settings + ["epochs=1"])
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(folder, "run", resume: true, ["quantize_base=float8"])
    }
    #expect("\(try #require(error))".contains("quantize_base: int8 -> float8"))
    let summary = try await train(
      folder, "run", resume: true, settings + ["offload=blocks", "shard=base"])
    #expect(summary.isFinished)
  }

  @Test(arguments: ["quantize_base=int8", "quantize_base=float8", "offload=blocks", "shard=base"])
  func `without frozen weights or checkpointing a recipe is refused with the key`(
    setting: String
  ) throws {
    let folder = try task()
    let key = String(setting.split(separator: "=")[0])
    func message(_ overrides: [String]) throws -> String {
      let error = #expect(throws: RecipeError.self) {
        try self.recipe(folder, [setting] + overrides)
      }
      return "\(try #require(error))"
    }
    let unsaved = try message(["gradient_checkpointing=false"])
    #expect(unsaved.contains("\(key): needs gradient_checkpointing: true"), "\(unsaved)")
    let full = try message(["trainable=full", "lora=null", "loss.kl_beta=0"])
    #expect(full.contains("\(key): is for frozen weights; trainable must be lora"), "\(full)")
  }

  @Test func `the plan counts stored blocks, slots and memory of the host`() throws {
    let folder = try task()
    func plan(_ overrides: [String]) throws -> MemoryPlan {
      let settings = ["dtype=bfloat16", "device=cuda"] + overrides
      return try TrainingPlan(recipe(folder, settings).settings).memory
    }
    func bytes(_ plan: MemoryPlan, _ name: String) -> Int {
      plan.phases.first { $0.name == "learning" }?.items.first { $0.name == name }?.bytes ?? 0
    }
    let store = ParameterStore(.meta, device: .meta)
    _ = try FluxTransformer2DModel(
      FluxTransformerConfiguration(
        contentsOf: "\(folder.path)/model/transformer/config.json"), store.root)
    #expect(store.blocks.count == 3)
    func elements(_ parameters: [BlockParameter]) -> Int {
      parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
    let all = store.weights.reduce(0) { $0 + $1.tensor.count }
    let blocks = store.blocks.map(elements)
    let matrices = store.blocks.map { elements($0.filter(\.isMatrix)) }
    let rows = store.blocks.flatMap { $0 }.filter(\.isMatrix).reduce(0) { $0 + $1.shape[0] }
    let inBlocks = blocks.reduce(0, +)
    let (quantized, largest) = (matrices.reduce(0, +), try #require(matrices.max()))

    let resident = try plan([])
    #expect(bytes(resident, "transformer") == 2 * all && bytes(resident, "weight slots") == 0)
    #expect(resident.hostBytes == 0)
    let small = try plan(["quantize_base=int8"])
    #expect(
      bytes(small, "transformer") == 2 * (all - quantized) + quantized + 4 * rows)
    #expect(bytes(small, "weight slots") == 2 * largest)
    let offloaded = try plan(["offload=blocks"])
    #expect(bytes(offloaded, "transformer") == 2 * (all - inBlocks))
    #expect(
      bytes(offloaded, "weight slots") == 2 * (max(blocks[0], blocks[2]) + blocks[1]))
    #expect(offloaded.hostBytes == 2 * inBlocks)
    let both = try plan(["quantize_base=float8", "offload=blocks"])
    #expect(bytes(both, "transformer") == bytes(offloaded, "transformer"))
    #expect(both.hostBytes == 2 * (inBlocks - quantized) + quantized + 4 * rows)
    #expect(bytes(both, "weight slots") > 2 * largest)
    #expect(bytes(both, "weight slots") < bytes(offloaded, "weight slots") + 2 * largest)
  }

  @Test(arguments: ["cuda", "cpu"])
  func `the plan of several processes counts a share of the blocks and two slots`(
    device: String
  ) throws {
    let folder = try task()
    func plan(_ overrides: [String], processes: Int) throws -> MemoryPlan {
      let settings = try recipe(
        folder, ["dtype=bfloat16", "device=\(device)"] + overrides
      ).settings
      let model = try FlowModelRegistry.family(of: settings.model)
        .metadata(of: settings.source, training: settings.trainableWeights)
      return MemoryPlan(settings, model, evaluationPrompts: 3, processes: processes)
    }
    func bytes(_ plan: MemoryPlan, _ name: String) -> Int {
      plan.phases.first { $0.name == "learning" }?.items.first { $0.name == name }?.bytes ?? 0
    }
    let resident = try plan([], processes: 4)
    #expect(bytes(resident, "weight slots") == 0)
    #expect(bytes(resident, "NCCL") == (device == "cpu" ? 0 : 1_000_000_000))
    #expect(bytes(try plan([], processes: 1), "NCCL") == 0)
    #expect(try plan(["shard=base"], processes: 1) == plan([], processes: 1))
    let offloaded = try plan(["offload=blocks"], processes: 4)
    let (sizes, outside) = try blockBytes(folder)
    for processes in [2, 3] {
      let shared = try plan(["shard=base"], processes: processes)
      let share = sizes.reduce(0) { $0 + ($1 + processes - 1) / processes }
      #expect(bytes(shared, "transformer") == outside + share)
      // Gloo receives a block into memory of its own.
      let received = device == "cpu" ? try #require(sizes.max()) : 0
      let slots = max(sizes[0], sizes[2]) + sizes[1]
      #expect(bytes(shared, "weight slots") == slots + received)
      let whole = try TrainingPlan(
        recipe(folder, ["dtype=bfloat16", "device=\(device)", "shard=base"]).settings,
        processes: processes)
      let work = try #require(whole.processes)
      func most(_ path: KeyPath<RankWork, Int>) -> Int {
        work.ranks.map { $0[keyPath: path] }.max() ?? 0
      }
      // Every block once in a call of the rollout, of the reference, and of an old policy in the
      // second of two updates; twice in one with gradients.
      #expect(whole.firstEpoch.updates == 2)
      let passes = most(\.rolloutCalls) + (3 * 2 + 1) * most(\.passes)
      #expect(
        work.sent.weightsPerEpoch == sizes.reduce(0, +) * passes * (processes - 1) / processes)
      let both = try plan(["shard=base", "offload=blocks"], processes: processes)
      #expect(bytes(both, "transformer") == (device == "cpu" ? outside + share : outside))
      #expect(both.hostBytes == (device == "cpu" ? 0 : share))
      #expect(both.hostBytes <= offloaded.hostBytes)
    }
  }

  /// Bytes in bfloat16 of each block of the task's model, and of all else.
  private func blockBytes(_ folder: TemporaryFolder) throws -> (blocks: [Int], outside: Int) {
    let store = ParameterStore(.meta, device: .meta)
    _ = try FluxTransformer2DModel(
      FluxTransformerConfiguration(
        contentsOf: "\(folder.path)/model/transformer/config.json"), store.root)
    let blocks = store.blocks.map { block in
      2 * block.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
    return (blocks, 2 * store.weights.reduce(0) { $0 + $1.tensor.count } - blocks.reduce(0, +))
  }
}
