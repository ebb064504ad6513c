import DiffusionModels
import FlowMatching
import Foundation
import Foundations
import Recipes
import Runs
import Synchronization
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// FLUX.1 through the code behind the commands, with the tiny pipelines of the fixtures.
@MainActor
@Suite(.serialized) struct FluxTrainingTests {
  private func task(_ model: String = "flux-dev") throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: fixture("\(model)/model"), toPath: "\(folder.path)/model")
    for (name, count) in [("train.jsonl", 6), ("held-out.jsonl", 3)] {
      let lines = (0..<count).map { "{\"prompt\": \"a photo of \($0) red circles\"}" }
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
        "trainable: lora\nresolution: [16, 24]\nmax_sequence_length: 8\nlora: {rank: 2}\n"
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

  @Test func `the recipe of a run is read with the model's new place`() throws {
    let folder = try task()
    func open(resume: Bool, _ overrides: [String]) throws {
      let keys = ["sampling.method=ode", "loss={method: diffusion_nft}"]
      _ = try RunOutput(
        "\(folder.path)/run", resume: resume, recipe: try recipe(folder, keys + overrides),
        recipeName: "tiny", progress: .silent())
    }
    try open(resume: false, [])
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/model", toPath: "\(folder.path)/moved model")
    // Without its folder the model would have another kind of guidance.
    try open(resume: true, ["model=\(folder.path)/moved model"])
    let read = try TrainingRecipe.read(path: "\(folder.path)/run/recipe.yaml")
    #expect(read.settings.model == "\(folder.path)/model")
  }

  @Test func `a recipe has the model's defaults and is warned of settings without evidence`() throws
  {
    let folder = try task()
    let recipe = try recipe(folder)
    #expect(recipe.settings.guidance == .embedded(scale: 3.5))
    #expect(recipe.settings.sampling.noiseLevel == 0.9)
    let warning = try #require(recipe.warnings.first { "\($0)".contains("known to have learned") })
    #expect("\(warning)".contains("10 steps, flow_sde with noise_level 0.9, the first 9 trained"))
    let known = try self.recipe(folder, ["sampling.steps=10", "loss.clip_range=1e-4"])
    #expect(!known.warnings.contains { "\($0)".contains("known to have learned") })
    let fewer = try self.recipe(
      folder,
      [
        "sampling.steps=6", "loss.clip_range=1e-5", "sampling.dynamics=cps",
        "sampling.noise_level=0.8", "sampling.trained_steps={first: 3}",
      ])
    #expect(!fewer.warnings.contains { "\($0)".contains("known to have learned") })
    for change in ["sampling.noise_level=0.7", "sampling.steps=9", "loss.clip_range=1e-3"] {
      let other = try self.recipe(
        folder, ["sampling.steps=10", "loss.clip_range=1e-4", change])
      #expect(other.warnings.contains { "\($0)".contains("known to have learned") }, "\(change)")
    }
  }

  @Test func `without a guidance input a guidance scale has no effect and is warned of`() throws {
    let folder = try task("flux-schnell")
    #expect(try recipe(folder).settings.guidance == .none)
    let scaled = try recipe(folder, ["sampling.guidance_scale=3.5"])
    #expect(scaled.settings.guidance == .none)
    #expect(scaled.warnings.contains { "\($0)".contains("the model has no guidance") })
    let error = #expect(throws: RecipeError.self) {
      try self.recipe(folder, ["max_sequence_length=513"])
    }
    #expect(error?.description.contains("between 1 and 512") == true)
  }

  @Test func `a plan names the layers without adapters and counts one row a sample`() throws {
    let folder = try task()
    for component in ["transformer", "vae"] {
      try FileManager.default.removeItem(
        atPath: "\(folder.path)/model/\(component)/diffusion_pytorch_model.safetensors")
    }
    let plan = try TrainingPlan(recipe(folder).settings)
    #expect(plan.firstEpoch.rolloutEvaluations == plan.firstEpoch.rolloutEvaluationsUnguided)
    let single = "single_transformer_blocks.*"
    let blocks = try #require(plan.layersWithoutAdapters["\(single).proj_mlp"])
    #expect(blocks > 0 && plan.layersWithoutAdapters["\(single).proj_out"] == blocks)
    #expect(plan.layersWithoutAdapters["\(single).attn.to_q"] == nil)
    #expect(plan.layersWithoutAdapters["x_embedder"] == 1)
    let text = plan.text(teraflops: 100)
    #expect(text.contains("without adapters") && text.contains("\(single).proj_mlp"), "\(text)")
    let full = try TrainingPlan(
      recipe(folder, ["trainable=full", "lora=null", "loss.kl_beta=0"]).settings)
    #expect(full.layersWithoutAdapters.isEmpty)
  }

  @Test(arguments: ["tempflow", "flow_grpo"])
  func `it trains, evaluates, exports and resumes to the same bytes`(method: String) async throws {
    let folder = try task()
    let settings = ["sampling.method=\(method)"]
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
    #expect(learned.lora.record.imageSize == ImageSize(height: 16, width: 24))
    let size = ImageSize(height: 16, width: 24)
    let model = ModelSource(
      folder: "\(folder.path)/model", imageSize: size, maxSequenceLength: 8)
    let prompts = try PromptList.read("\(folder.path)/held-out.jsonl", conditionImages: 0...0)
    let cache = try PromptCache(
      .init(model, folder: "\(folder.path)/text"),
      progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
    func latents(_ model: any FlowModel) throws -> Tensor {
      try ImageSampling(steps: 3, guidanceScale: 3.5, seed: 2).latents(
        of: prompts, model, negative: nil, embeddings: cache.embeddings)
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

  @Test func `adapters of another size and prompt length are warned of`() async throws {
    let folder = try task()
    _ = try await train(folder, "first", ["epochs=1"])
    let path = "\(folder.path)/lora.safetensors"
    try LearnedAdapters("\(folder.path)/first").lora.write(.diffusers, to: path)
    let recipe = try recipe(
      folder,
      ["epochs=1", "resolution=[16, 16]", "max_sequence_length=9", "lora.init_from=\(path)"])
    let lines = Mutex<[String]>([])
    let output = try RunOutput(
      "\(folder.path)/second", resume: false, recipe: recipe, recipeName: "flux",
      progress: ProgressReporter(
        columns: nil, write: { line in lines.withLock { $0.append(line) } }, now: { 0 }))
    _ = try await Trainer(recipe.settings, output: output).train()
    let text = lines.withLock { $0.joined() }
    #expect(text.contains("trained with images of 16x24 pixels and is used at 16x16"), "\(text)")
    #expect(text.contains("trained with prompts of 8 tokens and is used with 9"), "\(text)")
    let same = try LoRA(path: path)
    #expect(
      same.differences(imageSize: ImageSize(height: 16, width: 24), maxSequenceLength: 8).isEmpty)
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

  @Test func `adapters of another model are refused with the layer`() throws {
    let folder = try task()
    let lora = try LoRA(path: fixture("lora/diffusers.safetensors"))
    let error = #expect(throws: PipelineError.self) {
      try lora.learningSetup(model: "\(folder.path)/model")
    }
    #expect("\(try #require(error))".contains("belong to another model"))
  }
}
