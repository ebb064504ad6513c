import DiffusionModels
import FlowMatching
import Foundation
import Foundations
import ImageFiles
import Recipes
import Rewards
import Runs
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// A family of models from outside the sources supports everything that Stable Diffusion 3
/// supports.
@MainActor
@Suite(.serialized) struct SecondFamilyTests {
  /// A model folder, condition images, and prompts that name them.
  private func task() throws -> TemporaryFolder {
    FlowModelRegistry.register(TinyFlowModel.self)
    let folder = try TemporaryFolder()
    try TinyFlowModel.write(to: folder.path + "/model", seed: 5)
    for index in 0..<3 {
      let pixels = (0..<(16 * 16 * 3)).map { UInt8(($0 * (7 + index)) % 256) }
      try PNG.write(
        PixelBuffer(width: 16, height: 16, pixels: pixels), to: "\(folder.path)/\(index).png")
    }
    for (name, count) in [("train.jsonl", 6), ("held-out.jsonl", 3)] {
      let lines = (0..<count).map {
        "{\"prompt\": \"make it \(name.first!)\($0)\", \"image\": \"\($0 % 3).png\"}"
      }
      try folder.write(lines.joined(separator: "\n"), to: name)
    }
    return folder
  }

  private func recipe(
    _ folder: TemporaryFolder, _ overrides: [String] = []
  ) throws -> Recipe<TrainingRecipe> {
    let text = recipeText([
      (
        "trainable: full",
        "trainable: lora\nlora: {rank: 2}\nthreads: 1\ncheckpoints: {every: 1}\nema: {update_every: 1}"
      ),
      ("clip_range: 3e-2", "clip_range: 3e-2, kl_beta: 0.01"),
      ("[{name: shapes}]", "[{name: jpeg_compressibility}]"), ("epochs: 4", "epochs: 2"),
    ])
    return try folder.recipe(text, overrides)
  }

  private func train(
    _ folder: TemporaryFolder, _ run: String, resume: Bool = false, _ overrides: [String] = []
  ) async throws -> RunSummary {
    try await folder.train(try recipe(folder, overrides), as: run, resume: resume)
  }

  @Test func `a recipe has the family's defaults, and its resolved form holds them`() throws {
    let folder = try task()
    let recipe = try recipe(folder)
    #expect(recipe.settings.sampling.guidanceScale == 2.5)
    #expect(recipe.settings.sampling.noiseLevel == 0.6)
    #expect(recipe.settings.guidance == .embedded(scale: 2.5))
    #expect(recipe.settings.learning.adapters?.targets == ["mix", "up"])
    #expect(recipe.settings.maxSequenceLength == 12)
    for line in ["guidance_scale: 2.5", "noise_level: 0.6", "max_sequence_length: 12"] {
      #expect(recipe.resolved.text.contains(line), "\(recipe.resolved.text)")
    }
    let error = #expect(throws: RecipeError.self) {
      try self.recipe(folder, ["max_sequence_length=33"])
    }
    #expect(error?.description.contains("between 1 and 32") == true)
  }

  @Test func `a plan counts its costs from configuration files alone`() throws {
    let folder = try task()
    for component in ["transformer", "vae"] {
      try FileManager.default.removeItem(
        atPath: "\(folder.path)/model/\(component)/diffusion_pytorch_model.safetensors")
    }
    // The index is a JSON file and comes with the configurations.
    try folder.write(
      #"{"weight_map": {"mix": "diffusion_pytorch_model-00001-of-00002.safetensors"}}"#,
      to: "model/transformer/diffusion_pytorch_model.safetensors.index.json")
    let plan = try TrainingPlan(recipe(folder).settings)
    // Guidance is an input of the network and needs no second row.
    #expect(plan.firstEpoch.rolloutEvaluations == plan.firstEpoch.rolloutEvaluationsUnguided)
    // Two layers of two blocks: rank times inputs plus outputs.
    #expect(plan.trainableParameters == 2 * 2 * ((16 + 16) + (16 + 32)))
    #expect(plan.memory.peak.bytes > 0)
    #expect(plan.promptCacheBytes == 9 * 4 * (12 * 16 + 4 * 64))
  }

  @Test func `it trains, evaluates, exports and resumes to the same bytes`() async throws {
    let folder = try task()
    let whole = try await train(folder, "whole")
    #expect(whole.isFinished && whole.evaluations.count >= 2)
    #expect(whole.after.overall.count == 3)
    let lines = try MetricsLog.read("\(folder.path)/whole/metrics.jsonl")
    #expect(lines.contains { ($0[.gradNorm]?.number ?? 0) > 0 && ($0[.kl]?.number ?? -1) >= 0 })

    _ = try await train(folder, "parts", ["epochs=1"])
    _ = try await train(folder, "parts", resume: true)
    let file = "checkpoints/000002/model.safetensors"
    #expect(
      try Data(contentsOf: URL(filePath: "\(folder.path)/whole/\(file)"))
        == Data(contentsOf: URL(filePath: "\(folder.path)/parts/\(file)")))

    let learned = try LearnedAdapters("\(folder.path)/whole")
    #expect(learned.lora.paths.count == 4)
    try learned.lora.write(.diffusers, to: "\(folder.path)/lora.safetensors")
    try learned.lora.merge(model: "\(folder.path)/model", to: "\(folder.path)/merged")
    let adapted = try ModelSource(folder: "\(folder.path)/model").load(
      training: LoRA(path: "\(folder.path)/lora.safetensors")
        .learningSetup(model: "\(folder.path)/model"))
    let merged = try ModelSource(folder: "\(folder.path)/merged").load()
    let prompts = try PromptList.read(
      "\(folder.path)/held-out.jsonl", conditionImages: TinyFlowModel.defaults.conditionImages)
    let sampling = ImageSampling(steps: 3, guidanceScale: 2.5, seed: 2)
    let latents = try [adapted, merged].map { model in
      let cache = try PromptCache(
        .init(ModelSource(folder: "\(folder.path)/model"), folder: "\(folder.path)/text"),
        progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
      return try sampling.latents(
        of: prompts, model, negative: nil, embeddings: cache.embeddings)
    }
    #expect(relativeError(latents[0], latents[1]) < 1e-5)
    let plain = try sampling.latents(
      of: prompts, ModelSource(folder: "\(folder.path)/model").load(), negative: nil,
      embeddings: PromptCache(
        .init(ModelSource(folder: "\(folder.path)/model"), folder: "\(folder.path)/text"),
        progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 })
      ).embeddings)
    #expect(relativeError(latents[0], plain) > 1e-6)
  }

  @Test func `gradient checkpointing trains the same weights, and every weight may be trained`()
    async throws
  {
    let folder = try task()
    let settings = ["trainable=full", "loss.kl_beta=0", "epochs=1", "lora=null"]
    _ = try await train(folder, "kept", settings)
    _ = try await train(folder, "recomputed", settings + ["gradient_checkpointing=true"])
    let file = "checkpoints/000001/model.safetensors"
    let models = try ["kept", "recomputed"].map {
      try WeightsFile(path: "\(folder.path)/\($0)/\(file)").tensors
    }
    for (name, tensor) in models[0] {
      #expect(relativeError(tensor, try #require(models[1][name])) < 1e-5, "\(name)")
    }
    #expect(throws: Never.self) { try ModelSource(folder: "\(folder.path)/kept/model").load() }
  }

  @Test func `a prompt without its condition image is refused with file and line`() throws {
    let folder = try task()
    try folder.write(
      "{\"prompt\": \"a\", \"image\": \"0.png\"}\n{\"prompt\": \"b\"}", to: "p.jsonl")
    let error = #expect(throws: TrainingError.self) {
      try PromptList.read("\(folder.path)/p.jsonl", conditionImages: 1...1)
    }
    #expect(
      error?.description.contains("p.jsonl:2: a prompt has 1 source image, found 0") == true)
  }

  @Test func `another condition image is another prompt, and a changed file is encoded again`()
    throws
  {
    let folder = try task()
    func embeddings(_ image: String) throws -> [Float] {
      var prompt = Prompt("make it red")
      prompt.images = ["\(folder.path)/\(image)"]
      let cache = try PromptCache(
        .init(ModelSource(folder: "\(folder.path)/model"), folder: "\(folder.path)/text"),
        progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
      return try #require(cache.embeddings([prompt])[0]["image"]).floats()
    }
    let first = try embeddings("0.png")
    #expect(try embeddings("1.png") != first)
    #expect(try embeddings("0.png") == first)
    try FileManager.default.removeItem(atPath: "\(folder.path)/0.png")
    try FileManager.default.copyItem(
      atPath: "\(folder.path)/1.png", toPath: "\(folder.path)/0.png")
    #expect(try embeddings("0.png") != first)
  }
}
