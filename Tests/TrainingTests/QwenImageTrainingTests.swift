import DiffusionModels
import FlowMatching
import Foundation
import Foundations
import Recipes
import Runs
import TempFlow
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// Qwen-Image through the code behind the commands, with the tiny pipeline of the fixtures.
@MainActor
@Suite(.serialized) struct QwenImageTrainingTests {
  private func task() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: fixture("qwen-image-pipeline/model"), toPath: "\(folder.path)/model")
    for (name, count) in [("train.jsonl", 6), ("held-out.jsonl", 3)] {
      // The sixth is longer than 64 rows.
      let lines = (0..<count).map { "{\"prompt\": \"\(prompt($0 == 5 ? 80 : $0))\"}" }
      try folder.write(lines.joined(separator: "\n"), to: name)
    }
    return folder
  }

  private func prompt(_ words: Int) -> String {
    "a photo of \(String(repeating: "red ", count: words))circles"
  }

  private func recipe(
    _ folder: TemporaryFolder, _ overrides: [String] = []
  ) throws -> Recipe<TrainingRecipe> {
    let text = recipeText([
      (
        "trainable: full",
        "trainable: lora\nresolution: [16, 24]\nlora: {rank: 2}\n"
          + "threads: 1\ncheckpoints: {every: 1}\nema: {update_every: 1}"
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

  @Test func `a recipe has the model's defaults`() throws {
    let recipe = try recipe(try task())
    #expect(recipe.settings.guidance == .classifierFree(scale: 4, rescalingPatch: 2))
    #expect(recipe.settings.sampling.negativePrompt == " ")
    #expect(recipe.settings.sampling.noiseLevel == 1.2)
    #expect(recipe.settings.maxSequenceLength == 512)
    #expect(recipe.settings.learning.adapters?.targets.contains("txt_mlp.net.2") == true)
    #expect(recipe.warnings.isEmpty, "\(recipe.warnings)")
  }

  @Test func `a plan counts two rows a sample and the language model alone`() throws {
    let folder = try task()
    for component in ["transformer", "vae"] {
      try FileManager.default.removeItem(
        atPath: "\(folder.path)/model/\(component)/diffusion_pytorch_model.safetensors")
    }
    let plan = try TrainingPlan(recipe(folder).settings)
    #expect(plan.firstEpoch.rolloutEvaluations == 2 * plan.firstEpoch.rolloutEvaluationsUnguided)
    #expect(plan.layersWithoutAdapters["transformer_blocks.*.img_mod.1"] != nil)
    #expect(plan.layersWithoutAdapters["transformer_blocks.*.attn.to_q"] == nil)
    let metadata = try QwenImagePipeline.metadata(
      of: recipe(folder).settings.source, training: .full)
    let text = try Qwen25TextEncoder(folder: "\(folder.path)/model", placement: Placement())
    let count = text.model.store.weights.reduce(0) { $0 + $1.tensor.count }
    #expect(metadata.textEncoders.map(\.parameters) == [count])
  }

  @Test(arguments: [
    ["sampling.method=tempflow"],
    ["sampling.method=flow_grpo_fast", "sampling.trained_steps={window: 2, of: 3}"],
  ])
  func `it trains, evaluates, exports and resumes to the same bytes`(
    settings: [String]
  ) async throws {
    let folder = try task()
    let settings =
      settings
      + ["sampling.steps=4", "advantage.baseline=prompt", "advantage.scale=prompt"]
    let whole = try await train(folder, "whole", settings)
    #expect(whole.isFinished && whole.after.overall.count == 3)
    let lines = try MetricsLog.read("\(folder.path)/whole/metrics.jsonl")
    #expect(lines.contains { ($0[.gradNorm]?.number ?? 0) > 0 && ($0[.kl]?.number ?? -1) >= 0 })

    _ = try await train(folder, "parts", settings + ["epochs=1"])
    _ = try await train(folder, "parts", resume: true, settings)
    let file = "checkpoints/000002/model.safetensors"
    #expect(
      try Data(contentsOf: URL(filePath: "\(folder.path)/whole/\(file)"))
        == Data(contentsOf: URL(filePath: "\(folder.path)/parts/\(file)")))

    let learned = try LearnedAdapters("\(folder.path)/whole")
    let model = ModelSource(
      folder: "\(folder.path)/model", imageSize: ImageSize(height: 16, width: 24))
    let prompts = try PromptList.read("\(folder.path)/held-out.jsonl", conditionImages: 0...0)
    let cache = try PromptCache(
      .init(model, folder: "\(folder.path)/text"),
      progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
    let negative = try cache.embeddings([Prompt(" ")])[0]
    func latents(_ model: any FlowModel) throws -> Tensor {
      try ImageSampling(steps: 3, guidanceScale: 4, seed: 2).latents(
        of: prompts, model, negative: negative, embeddings: cache.embeddings)
    }
    try learned.lora.merge(model: model.folder, to: "\(folder.path)/merged")
    var merged = model
    merged.folder = "\(folder.path)/merged"
    let expected = try latents(merged.load())
    #expect(relativeError(expected, try latents(model.load())) > 1e-6)
    for format in LoRA.Format.allCases {
      let path = "\(folder.path)/lora-\(format)"
      try learned.lora.write(format, to: path)
      let adapted = try model.load(training: LoRA(path: path).learningSetup(model: model.folder))
      #expect(relativeError(try latents(adapted), expected) < 1e-5, "\(format)")
    }
  }

  @Test func `gradient checkpointing trains the same weights`() async throws {
    let folder = try task()
    _ = try await train(folder, "kept", ["epochs=1"])
    _ = try await train(folder, "recomputed", ["epochs=1", "gradient_checkpointing=true"])
    let file = "checkpoints/000001/model.safetensors"
    let models = try ["kept", "recomputed"].map {
      try WeightsFile(path: "\(folder.path)/\($0)/\(file)").tensors
    }
    for (name, tensor) in models[0] {
      #expect(relativeError(try #require(models[1][name]), tensor) < 1e-5, "\(name)")
    }
  }

  @Test func `every weight may be trained, and the whole model is written`() async throws {
    let folder = try task()
    _ = try await train(
      folder, "full", ["epochs=1", "trainable=full", "lora=null", "loss.kl_beta=0"])
    let written = try ModelSource(
      folder: "\(folder.path)/full/model", imageSize: ImageSize(height: 16, width: 24)
    ).load()
    #expect(written.className == "QwenImagePipeline")
  }

  @Test
  func `the width of all calls is that of the longest prompt in the files and of the negative`()
    throws
  {
    let folder = try task()
    let source = ModelSource(folder: "\(folder.path)/model")
    func rows(_ prompts: [String]) throws -> Int? {
      var model = try source.load()
      #expect(model.promptRows == nil)
      try model.fit(to: prompts, of: source)
      return model.promptRows
    }
    let encoder = try QwenImagePipeline.promptEncoder(of: source)
    let long = prompt(80)
    let length = try #require(encoder.encode([PromptInput(long)])[0]["text"]).shape[0]
    #expect(length > 64 && length <= 128)
    #expect(try rows(["a", " "]) == 64)
    #expect(try rows(["a", " ", long]) == 128)
    // The sixth training prompt: the runs of this suite have it in their file.
    let texts = try PromptList.read("\(folder.path)/train.jsonl", conditionImages: 0...0)
      .map(\.text)
    #expect(texts.contains(long))
  }
}
