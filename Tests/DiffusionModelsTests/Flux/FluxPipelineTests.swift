import DiffusionModels
import FlowMatching
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// Results of diffusers' FluxPipeline, written by `python Tools/fixtures/flux_pipeline.py`.
private struct FluxPipelineCase: Decodable {
  let name: String
  let steps: Int
  let guidance: Double
  /// `max_sequence_length`
  let length: Int
  /// Height and width of the latents.
  let latents: [Int]

  struct File: Decodable {
    let prompts: [String]
    let cases: [FluxPipelineCase]

    init(_ model: String) throws {
      let path = fixture("\(model)/cases.json")
      self = try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(filePath: path)))
    }
  }

  func source(_ model: String) -> ModelSource {
    ModelSource(
      folder: fixture("\(model)/model"),
      imageSize: ImageSize(height: 2 * latents[0], width: 2 * latents[1]),
      maxSequenceLength: length)
  }
}

@Suite struct FluxPipelineTests {
  @Test(arguments: ["flux-dev", "flux-schnell"])
  func `embeddings, schedules, latents and images equal diffusers'`(model: String) throws {
    let file = try FluxPipelineCase.File(model)
    let tensors = try WeightsFile(path: fixture("\(model)/cases.safetensors")).tensors
    #expect(file.cases.count == 2)
    for given in file.cases {
      func expected(_ name: String) throws -> Tensor {
        try #require(tensors["\(given.name).\(name)"])
      }
      let source = given.source(model)
      let pipeline = try source.load()
      let prompts = try FlowModelRegistry.family(of: source.folder).promptEncoder(of: source)
        .encode(file.prompts.map { PromptInput($0) })
      let rows = try #require(prompts.stacked("t5"))
      let pooled = try #require(prompts.stacked("pooled"))
      #expect(relativeError(rows, try expected("rows")) < 1e-5, "\(given.name)")
      #expect(relativeError(pooled, try expected("pooled")) < 1e-5, "\(given.name)")
      let sigmas = try expected("sigmas").to(.float32).floats()
      let schedule = pipeline.schedule(stepCount: given.steps)
      for (found, sigma) in zip(schedule.sigmas, sigmas) {
        #expect(abs(Float(found) - sigma) < 1e-6)
      }
      #expect(schedule.sigmas.count == sigmas.count)
      let initial = try expected("initial")
      #expect(initial.shape == pipeline.latentShape(count: file.prompts.count))
      let final = pipeline.sample(
        from: initial, prompts: prompts, guidance: pipeline.defaults.guidance(scale: given.guidance),
        stepCount: given.steps)
      #expect(relativeError(final, try expected("latents")) < 1e-4, "\(given.name)")
      let images = withoutGradient { (pipeline.decoded(final) * 0.5 + 0.5).clamped(0, 1) }
      #expect(relativeError(images, try expected("images")) < 1e-4, "\(given.name)")
    }
  }

  @Test func `defaults depend on whether the network has a guidance input`() throws {
    let dev = try FlowModelRegistry.defaults(of: fixture("flux-dev/model"))
    #expect(dev.guidance == .embedded && dev.guidanceScale == 3.5)
    #expect(dev.maxSequenceLength == 512 && dev.sequenceLengths == 1...512)
    let schnell = try FlowModelRegistry.defaults(of: fixture("flux-schnell/model"))
    #expect(schnell.guidance == .none && schnell.maxSequenceLength == 256)
    #expect(schnell.sequenceLengths == 1...512)
    #expect(schnell.guidance(scale: 3.5) == .none)
  }

  @Test func `a length beyond the model's is an error with its range`() throws {
    let source = ModelSource(folder: fixture("flux-schnell/model"), maxSequenceLength: 600)
    let error = #expect(throws: PipelineError.self) { try FluxPipeline.promptEncoder(of: source) }
    #expect("\(try #require(error))".contains("max_sequence_length is 600; it must be in 1...512"))
  }

  @Test func `a prompt that an encoder truncates is noticed`() throws {
    let source = ModelSource(folder: fixture("flux-dev/model"), maxSequenceLength: 24)
    let encoder = try FluxPipeline.promptEncoder(of: source)
    #expect(encoder.truncation(of: "three blue squares") == nil)
    let long = String(repeating: "a green ring to the left of a big yellow star ", count: 3)
    let truncation = try #require(encoder.truncation(of: long))
    #expect(truncation.encoders == "CLIP text encoder" && truncation.longest?.isWhole == false)
  }

  @Test(arguments: [
    ("\"FluxTransformer2DModel\"", "\"SD3Transformer2DModel\"", "needs FluxTransformer2DModel"),
    ("\"CLIPTextModel\"", "\"CLIPTextModelWithProjection\"", "needs CLIPTextModel"),
    ("\"FluxPipeline\"", "\"FluxFillPipeline\"", "FluxFillPipeline"),
    ("\"scheduler\"", "\"controlnet\"", "controlnet"),
  ])
  func `a folder of another model is an error with the class`(
    text: String, other: String, message: String
  ) throws {
    try withTemporaryFolder { folder in
      let model = "\(folder)/model"
      try FileManager.default.copyItem(atPath: fixture("flux-dev/model"), toPath: model)
      let index = "\(model)/model_index.json"
      let changed = try String(contentsOfFile: index, encoding: .utf8)
        .replacingOccurrences(of: text, with: other)
      try changed.write(toFile: index, atomically: true, encoding: .utf8)
      let error = #expect(throws: PipelineError.self) { try ModelSource(folder: model).load() }
      let description = "\(try #require(error))"
      #expect(description.contains(message) || description.contains("scheduler"), "\(description)")
    }
  }

  @Test func `an autoencoder of other channels and an impossible size are named`() throws {
    let odd = ModelSource(
      folder: fixture("flux-dev/model"), imageSize: ImageSize(height: 14, width: 16))
    let size = #expect(throws: PipelineError.self) { try odd.load() }
    #expect("\(try #require(size))".contains("14 is not a multiple of 4"))
    try withTemporaryFolder { folder in
      let model = "\(folder)/model"
      try FileManager.default.copyItem(atPath: fixture("flux-dev/model"), toPath: model)
      try FileManager.default.removeItem(atPath: "\(model)/transformer")
      try FileManager.default.copyItem(
        atPath: fixture("models/flux-plain"), toPath: "\(model)/transformer")
      try FileManager.default.removeItem(atPath: "\(model)/transformer/case.safetensors")
      _ = try ModelSource(
        folder: model, imageSize: ImageSize(height: 16, width: 16)).load()
      // The text encoders belong to the other transformer.
      let source = ModelSource(folder: model, maxSequenceLength: 8)
      let error = #expect(throws: PipelineError.self) { try FluxPipeline.promptEncoder(of: source) }
      #expect("\(try #require(error))".contains("pooled_projection_dim"))
    }
  }

  @Test func `the golden schedule and normalizer at 1024 pixels`() {
    var scheduler = SchedulerConfiguration()
    scheduler.usesDynamicShifting = true
    let schedule = FlowSchedule(scheduler, stepCount: 10, imageTokens: 4096, grid: .uniform)
    let golden = [
      1, 0.9660138, 0.9266473, 0.8805131, 0.8257017, 0.7595109, 0.6779867, 0.5751029, 0.4411997,
      0.2597584, 0,
    ]
    for (found, sigma) in zip(schedule.sigmas, golden) { #expect(abs(found - sigma) < 5e-8) }
    let normalizer = schedule.weightNormalizer(
      over: Array(0..<9), .flowSDE(noiseLevel: FluxPipeline.defaults.noiseLevel))
    #expect(abs(normalizer - 1.7260) < 5e-5)
  }

  @Test func `a merged folder has the velocity of the adapters`() throws {
    try withTemporaryFolder { folder in
      let model = fixture("flux-dev/model")
      let source = ModelSource(folder: model, imageSize: ImageSize(height: 16, width: 16))
      let pipeline = try source.load()
      try pipeline.write(to: "\(folder)/copy", textFrom: model)
      let copy = try ModelSource(
        folder: "\(folder)/copy", imageSize: ImageSize(height: 16, width: 16)).load()
      for (name, tensor) in pipeline.store.weights {
        let other = copy.store.weights.first { $0.name == name }
        #expect(largestDifference(tensor, try #require(other).tensor) == 0)
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/copy").sorted()
      #expect(
        names == [
          "model_index.json", "scheduler", "text_encoder", "text_encoder_2", "tokenizer",
          "tokenizer_2", "transformer", "vae",
        ])
    }
  }
}
