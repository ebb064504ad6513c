import DiffusionModels
import ImageFiles
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct PipelineParityTests {
  private let folder = fixture("pipeline/model")
  private let prompts = ["a photo of a red circle", "three blue squares"]

  @Test func `prompt embeddings equal diffusers'`() throws {
    let pipeline = try StableDiffusion3Pipeline(folder: folder)
    let expected = try cases()
    for (names, given) in [
      (("rows", "pooled"), prompts), (("negative_rows", "negative_pooled"), [""]),
    ] {
      let embeddings = pipeline.conditioning(pipeline.encode(given))
      let rows = try #require(expected[names.0])
      let length = embeddings.rows.shape[1]
      #expect(
        relativeError(embeddings.rows, rows.narrowed(dim: 1, start: 0, length: length)) < 1e-5)
      // After the prompt, diffusers' rows are zeros; here they are a count.
      let rest = rows.narrowed(dim: 1, start: length, length: rows.shape[1] - length)
      #expect(rest.abs().sum().item() == 0)
      #expect(relativeError(embeddings.pooled, try #require(expected[names.1])) < 1e-5)
    }
  }

  @Test(arguments: [
    ("plain", 5, 1.0, ""), ("guided", 5, 4.5, ""), ("negative", 3, 2.0, "a blue square"),
  ])
  func `the image from the same initial latents equals diffusers'`(
    name: String, steps: Int, guidanceScale: Double, negative: String
  ) throws {
    let pipeline = try StableDiffusion3Pipeline(folder: folder)
    let expected = try cases()
    let final = pipeline.sample(
      from: try #require(expected["latents"]), prompts: prompts, negativePrompt: negative,
      guidanceScale: guidanceScale, stepCount: steps)
    try check(pipeline, final, name, expected)
  }

  @Test func `the image with adapters saved by PEFT equals diffusers'`() throws {
    let lora = try LoRA(path: fixture("pipeline/lora"))
    let pipeline = try StableDiffusion3Pipeline(
      folder: folder, transformer: try lora.learningSetup(model: folder))
    let expected = try cases()
    let initial = try #require(expected["latents"])
    let final = pipeline.sample(from: initial, prompts: prompts, guidanceScale: 4.5, stepCount: 5)
    try check(pipeline, final, "lora", expected)
    let plain = pipeline.transformer.store.withoutAdapters {
      pipeline.sample(from: initial, prompts: prompts, guidanceScale: 4.5, stepCount: 5)
    }
    #expect(largestDifference(plain, try #require(expected["guided.latents"])) < latentTolerance)
  }

  @Test(arguments: [1.0, 4.5])
  func `adapters have the same update with gradient checkpointing`(_ guidanceScale: Double) throws {
    let config = LoRAConfig(rank: 2, alpha: 4, targets: ["attn.to_q", "attn.to_out.0"])
    let latents = try #require(try cases()["latents"])
    func gradients(_ tape: GradientCheckpointing?) throws -> [[Float]] {
      let pipeline = try StableDiffusion3Pipeline(
        folder: folder,
        transformer: LearningSetup(
          trainable: .adapters, adapters: (config, .random(Generator(seed: 4)))))
      let adapters = pipeline.transformer.store.adapters
      withoutGradient {
        for (_, tensor) in adapters { tensor.normal_(std: 0.1, generator: Generator(seed: 7)) }
      }
      let negative = withoutGradient { pipeline.encode([""])[0] }
      let field = pipeline.velocityField(
        pipeline.encode(prompts), negative: negative,
        guidance: StableDiffusion3Pipeline.defaults.guidance(scale: guidanceScale),
        checkpointing: tape)
      let velocity = field(latents, Tensor([0.7, 0.4], shape: [2]), [0, 1])
      velocity.backward(gradient: latents)
      tape?.backward()
      return try adapters.map { try #require($0.tensor.gradient).floats() }
    }
    #expect(try gradients(nil) == gradients(GradientCheckpointing()))
  }

  @Test func `images decoded one by one equal images decoded together`() throws {
    let pipeline = try StableDiffusion3Pipeline(folder: folder)
    let latents = try #require(try cases()["plain.latents"])
    let together = try pipeline.images(latents, microBatch: 2).map { try $0.get() }
    let alone = try pipeline.images(latents, microBatch: 1).map { try $0.get() }
    for (one, other) in zip(alone, together) {
      // Rounding errors may move a value across a half.
      #expect(zip(one.pixels, other.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    }
  }

  @Test func `an image as values holds the decoded bytes`() throws {
    let pipeline = try StableDiffusion3Pipeline(folder: folder)
    let latents = try #require(try cases()["plain.latents"])
    let images = try pipeline.images(latents, microBatch: 2).map { try $0.get() }
    let decoded = pipeline.decode(latents)
    #expect(images.count == 2)
    #expect(images[0].width == 8 && images[0].height == 8)
    #expect(images.flatMap(\.pixels) == decoded.bytes())
  }

  private func cases() throws -> [String: Tensor] {
    try WeightsFile(path: fixture("pipeline/cases.safetensors")).tensors
  }

  private func check(
    _ pipeline: StableDiffusion3Pipeline, _ final: Tensor, _ name: String,
    _ expected: [String: Tensor]
  ) throws {
    let latents = try #require(expected["\(name).latents"])
    #expect(largestDifference(final, latents) < latentTolerance)
    let images = try #require(expected["\(name).images"])
    #expect(
      largestDifference(pipeline.decode(final).to(.float32), images.to(.float32))
        <= pixelTolerance)
  }
}

/// Float32 rounding errors over a few steps, for latents of order 1.
private let latentTolerance = 1e-3
/// Of 255; rounding errors may change a pixel by one.
private let pixelTolerance = 2.0
