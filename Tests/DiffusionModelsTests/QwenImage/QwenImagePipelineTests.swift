import DiffusionModels
import FlowMatching
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// Results of diffusers' QwenImagePipeline, written by `python
/// Tools/fixtures/qwen_image_pipeline.py`.
struct QwenImagePipelineCase: Decodable {
  let name: String
  let steps: Int
  /// `true_cfg_scale`
  let scale: Double
  /// nil without guidance.
  let negative: String?
  /// `max_sequence_length`
  let length: Int
  /// Height and width of the latents.
  let latents: [Int]
  let prompts: [String]

  static let model = fixture("qwen-image-pipeline/model")

  static func all() throws -> [QwenImagePipelineCase] {
    struct File: Decodable { let cases: [QwenImagePipelineCase] }
    let path = fixture("qwen-image-pipeline/cases.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(filePath: path))).cases
  }

  var source: ModelSource {
    ModelSource(
      folder: Self.model, imageSize: ImageSize(height: 4 * latents[0], width: 4 * latents[1]),
      maxSequenceLength: length)
  }
}

@Suite struct QwenImagePipelineTests {
  private let tensors: [String: Tensor]

  init() throws {
    tensors = try WeightsFile(path: fixture("qwen-image-pipeline/cases.safetensors")).tensors
  }

  @Test func `embeddings, schedules, latents and images equal diffusers'`() throws {
    let cases = try QwenImagePipelineCase.all()
    #expect(cases.count == 7)
    for given in cases {
      func expected(_ name: String) throws -> Tensor {
        try #require(tensors["\(given.name).\(name)"])
      }
      let pipeline = try given.source.load()
      let encoder = try FlowModelRegistry.family(of: given.source.folder)
        .promptEncoder(of: given.source)
      let prompts = encoder.encode(given.prompts.map { PromptInput($0) })
      let rows = try expected("rows")
      for (row, prompt) in prompts.enumerated() {
        let text = try #require(prompt["text"])
        let whole = rows.selected(dim: 0, index: row)
        let own = whole.narrowed(dim: 0, start: 0, length: text.shape[0])
        #expect(relativeError(text, own) < 1e-5, "\(given.name)")
        #expect(text.shape[0] == rows.shape[1] || whole.abs().sum(dims: [1]).floats().last == 0)
      }
      let sigmas = try expected("sigmas").floats()
      let schedule = pipeline.schedule(stepCount: given.steps)
      #expect(schedule.sigmas.count == sigmas.count)
      for (found, sigma) in zip(schedule.sigmas, sigmas) {
        #expect(abs(Float(found) - sigma) < 1e-6)
      }
      let initial = try expected("initial")
      #expect(initial.shape == pipeline.latentShape(count: given.prompts.count))
      let negative = given.negative.map { encoder.encode([PromptInput($0)])[0] }
      let guidance = pipeline.defaults.guidance(scale: given.scale)
      #expect(guidance.needsNegative == (negative != nil))
      let final = pipeline.sample(
        from: initial, prompts: prompts, negative: negative, guidance: guidance,
        stepCount: given.steps)
      #expect(relativeError(final, try expected("latents")) < 1e-4, "\(given.name)")
      let images = withoutGradient { (pipeline.decoded(final) * 0.5 + 0.5).clamped(0, 1) }
      #expect(relativeError(images, try expected("images")) < 1e-4, "\(given.name)")
    }
  }

  @Test func `the first velocity and its gradients equal those of diffusers' guidance`() throws {
    for given in try QwenImagePipelineCase.all() where given.negative != nil {
      func expected(_ name: String) throws -> Tensor {
        try #require(tensors["\(given.name).first.\(name)"])
      }
      let (condition, none) = (
        try expected("conditional").clone(), try expected("unconditional").clone()
      )
      condition.requiresGradient = true
      none.requiresGradient = true
      let field = QwenImagePipeline.defaults.guidance(scale: given.scale).applied(
        to: { _, _, _ in Tensor.cat([none, condition], dim: 0) }, negative: 1)
      let count = condition.shape[0]
      let velocity = field(
        condition.detached(), Tensor.ones([count]), [Int](repeating: 0, count: count))
      #expect(relativeError(velocity, try expected("velocity")) < 1e-5, "\(given.name)")
      velocity.backward(gradient: try expected("cotangent"))
      for (name, leaf) in [("conditional", condition), ("unconditional", none)] {
        let gradient = try #require(leaf.gradient)
        #expect(
          relativeError(gradient, try expected("gradient.\(name)")) < parityTolerance,
          "\(given.name)")
      }
    }
  }

  @Test func `a prompt has the same bits whatever the other rows of its batch hold`() throws {
    let given = try QwenImagePipelineCase.all()[0]
    var pipeline = try given.source.load()
    let encoder = try QwenImagePipeline.promptEncoder(of: given.source)
    let long = String(repeating: "three circles in the background ", count: 20)
    let texts = ["a red circle", given.prompts[0], "", "two green stars", "a", long]
    let prompts = encoder.encode(texts.map { PromptInput($0) })
    let negative = encoder.encode([PromptInput(pipeline.defaults.negativePrompt)])[0]
    #expect((prompts[5]["text"]?.shape[0] ?? 0) > 64)
    try pipeline.fit(to: texts + [pipeline.defaults.negativePrompt], of: given.source)
    let guidance = pipeline.defaults.guidance(scale: 4)
    let latents = Tensor.randn(
      pipeline.latentShape(count: 4), generator: Generator(seed: 6))
    let sigma = Tensor([0.9, 0.7, 0.5, 0.3] as [Float], shape: [4])
    /// The velocity of the first row, whose prompt is the second of `prompts`.
    func velocity(
      _ others: [Int], among prompts: [PromptEmbeddings], _ guidance: Guidance = guidance
    ) -> Tensor {
      let field = pipeline.velocityField(prompts, negative: negative, guidance: guidance)
      let count = others.count + 1
      return withoutGradient {
        TorchRuntime.withSingleThreadedOps {
          field(
            latents.narrowed(dim: 0, start: 0, length: count),
            sigma.narrowed(dim: 0, start: 0, length: count), [1] + others
          ).selected(dim: 0, index: 0)
        }
      }
    }
    let first = velocity([0, 2, 3], among: prompts)
    #expect(velocity([4, 4, 4], among: prompts).floats() == first.floats())
    // Another epoch has other prompts, of which none is as long as the longest of the run.
    #expect(velocity([0, 0, 0], among: [prompts[2], prompts[1]]).floats() == first.floats())
    let plain = velocity([0, 2, 3], among: prompts, .none)
    for others in [[], [2], [3, 0]] {
      let alone = velocity(others, among: prompts, .none)
      #expect(relativeError(alone, plain) < 1e-6)
      // Guidance multiplies the difference of two velocities by 4.
      #expect(relativeError(velocity(others, among: prompts), first) < 4e-6)
    }
  }

  @Test func `the width of a run is that of its longest prompt, rounded up to 64`() {
    #expect(QwenImageConditioning.width(ofLongest: 1) == 64)
    #expect(QwenImageConditioning.width(ofLongest: 64) == 64)
    #expect(QwenImageConditioning.width(ofLongest: 65) == 128)
  }

  @Test func `the model's defaults are those of diffusers' pipeline`() throws {
    let defaults = try FlowModelRegistry.defaults(of: QwenImagePipelineCase.model)
    #expect(defaults.guidanceScale == 4 && defaults.negativePrompt == " ")
    #expect(defaults.guidance(scale: 4) == .classifierFree(scale: 4, rescalingPatch: 2))
    #expect(defaults.guidance(scale: 1) == .none)
    #expect(defaults.maxSequenceLength == 512 && defaults.sequenceLengths == 1...1024)
  }

  @Test func `a length beyond the model's is an error with its range`() throws {
    let source = ModelSource(folder: QwenImagePipelineCase.model, maxSequenceLength: 1025)
    let error = #expect(throws: PipelineError.self) {
      try QwenImagePipeline.promptEncoder(of: source)
    }
    #expect(
      "\(try #require(error))".contains("max_sequence_length is 1025; it must be in 1...1024"))
  }

  @Test func `a prompt that the encoder truncates is noticed`() throws {
    let source = ModelSource(folder: QwenImagePipelineCase.model, maxSequenceLength: 24)
    let encoder = try QwenImagePipeline.promptEncoder(of: source)
    #expect(encoder.truncation(of: "a red circle") == nil)
    let long = String(repeating: "a green ring to the left of a big yellow star ", count: 3)
    let truncation = try #require(encoder.truncation(of: long))
    #expect(truncation.encoders == "text encoder" && truncation.tokens == 24)
    #expect(encoder.encode([PromptInput(long)])[0]["text"]?.shape[0] == 24)
  }

  @Test(arguments: [
    (
      "\"QwenImageTransformer2DModel\"", "\"FluxTransformer2DModel\"",
      "needs QwenImageTransformer2DModel"
    ),
    ("\"AutoencoderKLQwenImage\"", "\"AutoencoderKL\"", "needs AutoencoderKLQwenImage"),
    ("\"QwenImagePipeline\"", "\"QwenImageEditPipeline\"", "QwenImageEditPipeline"),
    ("\"scheduler\"", "\"controlnet\"", "scheduler"),
  ])
  func `a folder of another model is an error with the class`(
    text: String, other: String, message: String
  ) throws {
    try withTemporaryFolder { folder in
      let model = "\(folder)/model"
      try FileManager.default.copyItem(atPath: QwenImagePipelineCase.model, toPath: model)
      let index = "\(model)/model_index.json"
      let changed = try String(contentsOfFile: index, encoding: .utf8)
        .replacingOccurrences(of: text, with: other)
      try changed.write(toFile: index, atomically: true, encoding: .utf8)
      let error = #expect(throws: PipelineError.self) { try ModelSource(folder: model).load() }
      let description = "\(try #require(error))"
      #expect(description.contains(message), "\(description)")
    }
  }

  @Test func `the golden schedule and normalizer at 512 pixels`() throws {
    let scheduler = try SchedulerConfiguration(
      path: "\(QwenImagePipelineCase.model)/scheduler/scheduler_config.json")
    let schedule = FlowSchedule(scheduler, stepCount: 10, imageTokens: 1024, grid: .uniform)
    let golden = [
      1, 0.9289696, 0.8514848, 0.7666238, 0.6732809, 0.5701173, 0.4554973, 0.3274001, 0.1833005,
      0.02, 0,
    ]
    for (found, sigma) in zip(schedule.sigmas, golden) { #expect(abs(found - sigma) < 5e-8) }
    let normalizer = schedule.weightNormalizer(
      over: Array(0..<9), .flowSDE(noiseLevel: QwenImagePipeline.defaults.noiseLevel))
    #expect(abs(normalizer - 1.5329) < 5e-5)
  }
}
