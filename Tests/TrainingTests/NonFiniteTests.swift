import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Rewards
import Runs
import Testing
import Torch
import Training

/// Multiplies weights of a component in a model folder, by name.
func scaleWeights(
  _ factors: [String: Double], of component: String, in model: String
) throws {
  let path =
    "\(model)/\(component)/"
    + (component.hasPrefix("text") ? "model" : "diffusion_pytorch_model") + ".safetensors"
  var tensors = try WeightsFile(path: path).tensors.mapValues { $0.clone() }
  for (name, factor) in factors { tensors[name] = try #require(tensors[name]) * factor }
  try Safetensors.write(
    tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, metadata: ["format": "pt"],
    to: path)
}

/// A model that computes in float32 and overflows in float16.
@MainActor
@Suite(.serialized) struct NonFiniteTests {
  /// The shapes task with a model whose attention values exceed float16's range. The next layer
  /// reverses the factor, and gradients of its weights have it.
  private func overflowingTask(factor: Double = 0x1p17) throws -> TemporaryFolder {
    let folder = try tinyTask()
    let attention = "transformer_blocks.0.attn"
    try scaleWeights(
      [
        "\(attention).to_v.weight": factor, "\(attention).to_v.bias": factor,
        "\(attention).add_v_proj.weight": factor, "\(attention).add_v_proj.bias": factor,
        "\(attention).to_out.0.weight": 1 / factor, "\(attention).to_add_out.weight": 1 / factor,
      ], of: "transformer", in: folder.path + "/model")
    return folder
  }

  private func pipeline(
    _ folder: TemporaryFolder, _ dtype: DType
  ) throws -> StableDiffusion3Pipeline {
    // The scaled weights are within float16's range.
    try StableDiffusion3Pipeline(
      folder: folder.path + "/model", Placement(dtype: dtype, autoencoderDType: .float32))
  }

  private func changes(_ further: String) -> [(String, String)] {
    [
      (
        "trainable: full",
        "trainable: lora\nlora: {rank: 2, targets: [attn.to_q]}\ndtype: float16"
      ),
      ("epochs: 4", "threads: 1\nevaluation: {prompts: 2}\n\(further)"),
    ]
  }

  private var scorer: Scorer {
    Scorer(
      [
        StubReward { samples throws(RewardError) in
          RewardScores(total: samples.map { brightness($0.image) })
        }
      ], weights: [1])
  }

  @Test func `a non-finite image is an error with prompt, steps and precision`() throws {
    let folder = try overflowingTask()
    let prompts = ["a red circle", "a blue square"]
    let sampling = ImageSampling(steps: 3, seed: 4)
    #expect(try sampling.images(of: prompts, pipeline(folder, .float32)).count == 2)
    let error = #expect(throws: TrainingError.self) {
      _ = try sampling.images(of: prompts, pipeline(folder, .float16))
    }
    let text = error?.description ?? ""
    for part in ["prompt 1 of 2", "'a red circle'", "latents (float16)", "step 1 of 3"] {
      #expect(text.contains(part), "\(text)")
    }
  }

  @Test func `the first non-finite step is named`() throws {
    let folder = try tinyTask()
    // One step takes latents to thousands, and the next one embeds them beyond float16's range.
    try scaleWeights(
      ["proj_out.weight": 0x1p14, "proj_out.bias": 0x1p14, "pos_embed.proj.weight": 0x1p6],
      of: "transformer", in: folder.path + "/model")
    for guidanceScale in [1.0, 2.0] {
      let sampling = ImageSampling(steps: 4, guidanceScale: guidanceScale, seed: 4)
      let error = #expect(throws: TrainingError.self) {
        _ = try sampling.images(of: ["a red circle"], pipeline(folder, .float16))
      }
      #expect(
        error?.description.contains("after denoising step 2 of 4") == true,
        "\(String(describing: error))")
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `one non-finite number affects its own image only`(value: Float) throws {
    let pipeline = try pipeline(tinyTask(), .float32)
    let latents = ImageSampling(steps: 1, seed: 4)
      .noise(of: 0..<3, latentShape: Array(pipeline.latentShape(count: 1).dropFirst()))
    let sound = pipeline.images(latents, microBatch: 2)
    var numbers = latents.floats()
    numbers[numbers.count / 3 + 7] = value
    let images = pipeline.images(Tensor(numbers, shape: latents.shape), microBatch: 2)
    #expect(images[1] == .failure(.latents(.float32)))
    #expect(images[0] == sound[0] && images[2] == sound[2])
    // Rounding depends on the batch and may move a value across a half.
    let pixels = try sound.flatMap { try $0.get().pixels }
    let bytes = pipeline.decode(latents).bytes()
    #expect(zip(pixels, bytes).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
  }

  @Test func `a prompt whose embedding is not finite is named and not cached`() throws {
    let folder = try tinyTask()
    try scaleWeights(
      ["text_model.final_layer_norm.weight": 6e4], of: "text_encoder_2",
      in: folder.path + "/model")
    func encode(_ dtype: DType) throws {
      let cache = try PromptCache(
        .init(
          ModelSource(folder: folder.path + "/model", placement: Placement(dtype: dtype)),
          folder: folder.path + "/text"),
        progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
      try cache.prepare(["a red circle"])
    }
    try encode(.float32)
    for _ in 0..<2 {
      let error = #expect(throws: TrainingError.self) { try encode(.float16) }
      let text = error?.description ?? ""
      #expect(text.contains("'a red circle' are not finite (pooled") && text.contains("float16"), "\(text)")
    }
  }

  @Test func `pixels beyond the autoencoder's precision are a failure`() throws {
    let folder = try tinyTask()
    try scaleWeights(
      ["decoder.conv_in.weight": 0x1p15], of: "vae", in: folder.path + "/model")
    let whole = try StableDiffusion3Pipeline(
      folder: folder.path + "/model", Placement(dtype: .float32, autoencoderDType: .float16))
    let shape = whole.latentShape(count: 1)
    let latents = Tensor.full(shape, 100)
    #expect(whole.images(latents, microBatch: 1) == [.failure(.pixels(.float16))])
  }

  @Test func `non-finite images of a rollout are unscored, counted and reported in one line`()
    async throws
  {
    let folder = try overflowingTask()
    var lines: [String] = []
    let summary = try await train(
      folder, changes("max_missing_scores: 1\nepochs: 1"), scorer: scorer,
      write: { lines.append($0) })
    #expect(summary.before.overall.count == 0)
    let epoch = try MetricsLog.read(folder.path + "/run/metrics.jsonl")[1]
    #expect(epoch[.rewardMissing]?.int == 32)
    #expect(epoch[.rewardMissingReasons]?["stub"]?["non-finite latents (float16)"]?.int == 32)
    let reports = lines.filter { $0.contains("32 of 32 images are not finite") }
    #expect(reports.count == 1)
    #expect(
      reports.first?.contains(/latents \(float16\) for 'a photo of .*', branch 0 of step \d/)
        == true,
      "\(reports)")
  }

  @Test func `more non-finite images than max_missing_scores allows stop the run`() async throws {
    let folder = try overflowingTask()
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(folder, changes("epochs: 1"), scorer: scorer)
    }
    let text = error?.description ?? ""
    #expect(
      text.contains("2 of 2 scores of stub are missing (non-finite latents (float16): 2)"),
      "\(text)")
  }

  /// The forward pass is that of any model, and the gradients of one layer have the factor.
  @Test func `gradients too large for an exact sum of passes stop the run before they are used`()
    async throws
  {
    let folder = try overflowingTask(factor: 0x1p40)
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(
        folder,
        [
          ("epochs: 4", "threads: 1\nevaluation: {prompts: 2}\nepochs: 1"),
          ("updates_per_epoch: 2", "updates_per_epoch: 1, micro_batch: 1"),
        ], scorer: scorer)
    }
    let text = error?.description ?? ""
    #expect(text.contains("beyond which passes cannot be added exactly"), "\(text)")
    #expect(text.contains("epoch 1, update 1"), "\(text)")
  }
}
