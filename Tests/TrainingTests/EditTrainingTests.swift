import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Recipes
import Rewards
import Runs
import Synchronization
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// Scores edits, and keeps the sizes of what it was given.
private struct ChangeReward: Reward {
  static let sizes = Mutex<Set<[Int]>>([])
  let name: String

  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    for sample in samples {
      let sizes = ([sample.image] + sample.sources).flatMap { [$0.width, $0.height] }
      Self.sizes.withLock { _ = $0.insert(sizes) }
    }
    return RewardScores(
      total: samples.map { sample in
        zip(sample.image.pixels, sample.sources[0].pixels).reduce(0) {
          $0 + abs(Double($1.0) - Double($1.1))
        } / 255 / Double(sample.image.pixels.count)
      })
  }
}

/// `change`, a reward of these tests: the mean difference of an image and its source.
private struct ChangeFactory: RewardFactory {
  static let name = "change"
  static let sourceImages = SourceImages.required
  static let registration: Void = RewardRegistry.register(ChangeFactory.self)
  let label: String

  init(_ section: RecipeSection, label: String, device: Device) { self.label = label }

  func makeReward() -> any Reward { ChangeReward(name: label) }
}

/// An editing model through the code behind the commands, with the tiny pipeline of the fixtures.
@MainActor
@Suite(.serialized) struct EditTrainingTests {
  init() { ChangeFactory.registration }

  private func task() throws -> TemporaryFolder { try editTask() }

  private func recipe(
    _ folder: TemporaryFolder, _ overrides: [String] = []
  ) throws -> Recipe<TrainingRecipe> {
    try folder.recipe(editRecipeText(reward: "change"), overrides)
  }

  @Test(arguments: ["tempflow", "flow_grpo"])
  func `it trains on edits, shows their sources, and resumes to the same bytes`(
    method: String
  ) async throws {
    ChangeReward.sizes.withLock { $0 = [] }
    let folder = try task()
    let settings = ["sampling.method=\(method)"]
    let whole = try await folder.train(try recipe(folder, settings), as: "whole")
    #expect(whole.isFinished && whole.after.overall.count == 3)
    // Images and sources have the recipe's size, whatever the files have.
    #expect(ChangeReward.sizes.withLock { $0 } == [[20, 12, 20, 12]])
    let lines = try MetricsLog.read("\(folder.path)/whole/metrics.jsonl")
    #expect(lines.contains { ($0[.gradNorm]?.number ?? 0) > 0 && ($0[.kl]?.number ?? -1) >= 0 })

    _ = try await folder.train(try recipe(folder, settings + ["epochs=1"]), as: "parts")
    _ = try await folder.train(try recipe(folder, settings), as: "parts", resume: true)
    let file = "checkpoints/000002/model.safetensors"
    #expect(
      try Data(contentsOf: URL(filePath: "\(folder.path)/whole/\(file)"))
        == Data(contentsOf: URL(filePath: "\(folder.path)/parts/\(file)")))

    let samples = "\(folder.path)/whole/samples"
    let sheet = try JSONDecoder().decode(
      SampleSheet.self, from: Data(contentsOf: URL(filePath: "\(samples)/after.json")))
    let grid = try PNG.read("\(samples)/\(try #require(sheet.sources))")
    let after = try PNG.read("\(samples)/after.png")
    #expect(grid.width == after.width && grid.height == after.height && grid != after)
    if method == "tempflow" {
      let source = try PNG.read("\(folder.path)/whole/tree/source.png")
      #expect(source.width == 20 && source.height == 12)
    }
  }

  @Test func `a changed source image stops a resume`() async throws {
    let folder = try task()
    _ = try await folder.train(try recipe(folder, ["epochs=1"]), as: "run")
    try PNG.write(
      PixelBuffer(width: 20, height: 12, red: 200), to: "\(folder.path)/sources/20x12.png")
    let error = await #expect(throws: TrainingError.self) {
      _ = try await folder.train(try recipe(folder), as: "run", resume: true)
    }
    #expect(error?.description.contains("source images of \(folder.path)/held-out") == true)
  }

  @Test func `every prompt has a source or none, and a reward of edits needs them`() async throws {
    let folder = try task()
    try folder.write(
      "{\"prompt\": \"a\", \"image\": \"sources/20x12.png\"}\n{\"prompt\": \"b\"}",
      to: "mixed.jsonl")
    let mixed = #expect(throws: TrainingError.self) {
      try PromptList.read("\(folder.path)/mixed.jsonl", conditionImages: 0...1)
    }
    #expect(mixed?.description.contains("mixed.jsonl:2: found 0 source images, and 1") == true)
    let entry = try RewardEntry.read("change", []).settings
    let plain = #expect(throws: TrainingError.self) {
      try PromptList.read("\(folder.path)/train.jsonl", for: [entry])
    }
    #expect(plain?.description.contains("scores edits of a source image") == true)
    try folder.write("{\"prompt\": \"a\"}", to: "bare.jsonl")
    let bare = #expect(throws: TrainingError.self) {
      try PromptList.read("\(folder.path)/bare.jsonl", for: [entry], conditionImages: 0...1)
    }
    #expect(bare?.description.contains("bare.jsonl:1: ") == true)
    try folder.write("{\"prompt\": \"a\", \"image\": \"no.png\"}", to: "lost.jsonl")
    let lost = await #expect(throws: TrainingError.self) {
      _ = try await folder.train(
        try recipe(folder, ["prompts.train=\(folder.path)/lost.jsonl"]), as: "lost")
    }
    #expect(
      lost?.description.contains("lost.jsonl:1: the source image \"no.png\" does not exist") == true
    )
    for (value, message) in [
      ("\"image\": \"\"", "is no file's name"), ("\"image\": 5", "5 is no file's name"),
      ("\"image\": \"https://a.b/c.png\"", "is an address"),
      ("\"image\": \"sources\"", "does not exist"),
      ("\"image\": \"a.png\", \"images\": [\"b.png\"]", "found both"),
      ("\"images\": [\"a.png\", \"b.png\"]", "at most 1 source image, found 2"),
    ] {
      try folder.write("{\"prompt\": \"a\", \(value)}", to: "odd.jsonl")
      let odd = #expect(throws: TrainingError.self) {
        try PromptList.read("\(folder.path)/odd.jsonl", conditionImages: 0...1)
      }
      #expect(odd?.description.contains("odd.jsonl:1: ") == true, "\(value)")
      #expect(odd?.description.contains(message) == true, "\(odd?.description ?? "")")
    }
    try folder.write("{\"prompt\": \"a\", \"image\": null}", to: "null.jsonl")
    #expect(
      try PromptList.read("\(folder.path)/null.jsonl", conditionImages: 0...1)[0].images.isEmpty)
    let unequal = await #expect(throws: TrainingError.self) {
      _ = try await folder.train(
        try recipe(
          folder,
          [
            "prompts.train=\(folder.path)/null.jsonl", "rewards=[{name: jpeg_compressibility}]",
          ]), as: "unequal")
    }
    #expect(unequal?.description.contains("a run trains and measures one task") == true)
  }

  @Test func `every weight is trained by threads of some rows each, as in one batch`() async throws
  {
    let folder = try task()
    // With a large epsilon, AdamW does not amplify the rounding of a gradient near 0.
    let settings = [
      "trainable=full", "lora=null", "loss.kl_beta=0", "epochs=1", "optimizer.epsilon=0.1",
    ]
    _ = try await folder.train(try recipe(folder, settings + ["threads=1"]), as: "one")
    _ = try await folder.train(
      try recipe(folder, settings + ["threads=2", "gradient_checkpointing=true"]), as: "two")
    let models = try ["one", "two"].map {
      try WeightsFile(path: "\(folder.path)/\($0)/checkpoints/000001/model.safetensors").tensors
    }
    for (name, tensor) in models[0] {
      let error = relativeError(try #require(models[1][name]), tensor)
      #expect(error < 1e-4, "\(name): \(error)")
    }
  }

  @Test func `prompts are encoded again for another size, and stretched sources are counted`()
    async throws
  {
    let folder = try task()
    let prompts = try PromptList.read("\(folder.path)/held-out.jsonl", conditionImages: 0...1)
    func cache(_ size: ImageSize, _ dtype: DType? = nil) throws -> (PromptCache, Lines) {
      let lines = Lines()
      var source = ModelSource(
        folder: "\(folder.path)/model", imageSize: size, maxSequenceLength: 8)
      source.placement.autoencoderDType = dtype
      return (
        try PromptCache(.init(source, folder: "\(folder.path)/text"), progress: lines.reporter),
        lines
      )
    }
    let wide = ImageSize(height: 12, width: 20)
    let (first, quiet) = try cache(wide)
    let embeddings = try first.embeddings(prompts)
    #expect(first.encoderLoads == 1 && embeddings[0]["source"]?.shape == [4, 6, 10])
    #expect(quiet.text.contains("2 of 3 prompts have other proportions"))
    let (again, _) = try cache(wide)
    _ = try again.embeddings(prompts)
    #expect(again.encoderLoads == 0)
    let (square, loud) = try cache(ImageSize(height: 16, width: 16))
    #expect(try square.embeddings(prompts)[0]["source"]?.shape == [4, 8, 8])
    #expect(square.encoderLoads == 1)
    #expect(loud.text.contains("3 of 3 prompts have other proportions than 16 x 16"))
    let (half, _) = try cache(wide, .bfloat16)
    #expect(try half.embeddings(prompts)[0]["source"]?.dtype == .bfloat16)
    #expect(half.encoderLoads == 1)
  }

  @Test func `without source images the model draws from the prompt alone`() async throws {
    let folder = try task()
    for name in ["train.jsonl", "held-out.jsonl"] {
      try folder.write(
        "{\"prompt\": \"a red circle\"}\n{\"prompt\": \"a blue ring\"}\n{\"prompt\": \"two\"}",
        to: name)
    }
    let summary = try await folder.train(
      try recipe(folder, ["rewards=[{name: jpeg_compressibility}]", "epochs=1"]), as: "run")
    #expect(summary.isFinished)
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/run/samples/sources.png"))
  }
}
