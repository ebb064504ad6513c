import DiffusionModels
import FlowMatching
import Foundation
import ImageFiles
import TestSupport
import Testing
import Torch
import TorchNN

/// Results of diffusers' FluxKontextPipeline, written by `python Tools/fixtures/flux_kontext.py`.
private struct KontextCase: Decodable {
  let name: String
  let steps: Int
  let guidance: Double
  /// `max_sequence_length`
  let length: Int
  /// Height and width of the latents.
  let latents: [Int]
  let prompts: [String]
  /// The files of the source images, one per prompt.
  let sources: [String]?

  struct File: Decodable {
    let cases: [KontextCase]
  }

  static func all() throws -> [KontextCase] {
    let path = fixture("flux-kontext/cases.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(filePath: path))).cases
  }

  var source: ModelSource {
    ModelSource(
      folder: fixture("flux-kontext/model"),
      imageSize: ImageSize(height: 2 * latents[0], width: 2 * latents[1]),
      maxSequenceLength: length)
  }

  /// The prompts with their source images.
  func inputs() throws -> [PromptInput] {
    try prompts.enumerated().map { index, prompt in
      let images = try sources.map {
        [try ImageReader.read(fixture("flux-kontext/sources/\($0[index])"))]
      }
      return PromptInput(prompt, images: images ?? [])
    }
  }
}

@Suite struct FluxKontextTests {
  private let tensors: [String: Tensor]
  private let cases: [KontextCase]

  init() throws {
    tensors = try WeightsFile(path: fixture("flux-kontext/cases.safetensors")).tensors
    cases = try KontextCase.all()
  }

  private func expected(_ given: KontextCase, _ name: String) throws -> Tensor {
    try #require(tensors["\(given.name).\(name)"])
  }

  @Test func `latents and images equal diffusers', with a source and without, at two sizes`()
    throws
  {
    let own = cases.filter { $0.name != "other" }
    #expect(own.count == 4 && own.count { $0.sources == nil } == 2)
    for given in own {
      let pipeline = try given.source.load()
      let prompts = try FlowModelRegistry.family(of: given.source.folder)
        .promptEncoder(of: given.source).encode(given.inputs())
      #expect((prompts.stacked("source") != nil) == (given.sources != nil))
      if let sources = prompts.stacked("source") {
        let error = relativeError(sources, try expected(given, "source_latents"))
        #expect(error < 1e-5, "\(given.name)")
      }
      let (latents, images) = try sampled(given, pipeline, prompts)
      #expect(relativeError(latents, try expected(given, "latents")) < 1e-4, "\(given.name)")
      #expect(relativeError(images, try expected(given, "images")) < 1e-4, "\(given.name)")
    }
  }

  @Test func `a source of another size than the image has positions of its own`() throws {
    let given = try #require(cases.first { $0.name == "other" })
    let sources = try expected(given, "source_latents")
    #expect(sources.shape[2...] != (try expected(given, "initial")).shape[2...])
    let pipeline = try given.source.load()
    let rows = try expected(given, "rows")
    let pooled = try expected(given, "pooled")
    let prompts = given.prompts.indices.map { index in
      PromptEmbeddings([
        ("t5", rows.selected(dim: 0, index: index)),
        ("pooled", pooled.selected(dim: 0, index: index)),
        ("source", sources.selected(dim: 0, index: index)),
      ])
    }
    let (latents, images) = try sampled(given, pipeline, prompts)
    #expect(relativeError(latents, try expected(given, "latents")) < 1e-4)
    #expect(relativeError(images, try expected(given, "images")) < 1e-4)
  }

  private func sampled(
    _ given: KontextCase, _ pipeline: any FlowModel, _ prompts: [PromptEmbeddings]
  ) throws -> (latents: Tensor, images: Tensor) {
    let sigmas = try expected(given, "sigmas").floats()
    let schedule = pipeline.schedule(stepCount: given.steps)
    #expect(schedule.sigmas.count == sigmas.count)
    for (found, sigma) in zip(schedule.sigmas, sigmas) { #expect(abs(Float(found) - sigma) < 1e-6) }
    let latents = pipeline.sample(
      from: try expected(given, "initial"), prompts: prompts,
      guidance: pipeline.defaults.guidance(scale: given.guidance), stepCount: given.steps)
    return (
      latents,
      withoutGradient { (pipeline.decoded(latents) * 0.5 + 0.5).clamped(0, 1) }
    )
  }

  @Test func `the source as pixels equals diffusers' byte for byte`() throws {
    for given in cases where given.sources != nil && given.name != "other" {
      let expected = try expected(given, "source_pixels")
      for (index, input) in try given.inputs().enumerated() {
        let image = input.images[0].resized(
          width: 2 * given.latents[1], height: 2 * given.latents[0], filter: .lanczos)
        let bytes = ((expected.selected(dim: 0, index: index) + 1) * 127.5).rounded()
          .to(.uint8).permuted([1, 2, 0]).contiguous().bytes()
        #expect(bytes == image.pixels, "\(given.name) \(index)")
      }
    }
  }

  @Test(arguments: [false, true])
  func `the transformer with a source and its gradients equal diffusers'`(checkpointed: Bool)
    throws
  {
    let folder = fixture("flux-kontext/model/transformer")
    let given = try WeightsFile(path: fixture("flux-kontext/gradient.safetensors")).tensors
    func tensor(_ name: String) throws -> Tensor { try #require(given[name]) }
    let store = ParameterStore(
      .checkpoint(
        try WeightsFile.open(
          folder: folder, baseName: "diffusion_pytorch_model")), trainable: .full)
    let network = try FluxTransformer2DModel(
      FluxTransformerConfiguration(contentsOf: "\(folder)/config.json"), store.root)
    try store.finish()
    let leaves = try ["latents", "source", "rows", "pooled"].map { name in
      let leaf = try tensor(name).clone()
      leaf.requiresGradient = true
      return (name: name, tensor: leaf)
    }
    let checkpointing = checkpointed ? GradientCheckpointing() : nil
    let velocity = network(
      leaves[0].tensor, timestep: try tensor("timestep"),
      guidance: Double(try tensor("guidance").floats()[0]),
      embeddings: FluxConditioning(
        rows: leaves[2].tensor, pooled: leaves[3].tensor, source: FluxSource(leaves[1].tensor)),
      checkpointing: checkpointing)
    #expect(relativeError(velocity, try tensor("velocity")) < 1e-5)
    velocity.backward(gradient: try tensor("cotangent.velocity"))
    checkpointing?.backward()
    let gradients = given.keys.filter { $0.hasPrefix("gradient.") }
    #expect(gradients.count == 13)
    for name in gradients {
      let own = String(name.dropFirst("gradient.".count))
      let parameter =
        leaves.first { $0.name == own }?.tensor ?? store.trainable.first { $0.name == own }?.tensor
      let found = try #require(parameter?.gradient, "\(own)")
      #expect(relativeError(found, try tensor(name)) < 1e-4, "\(own)")
    }
  }

  @Test func `what is computed once per prompt changes no bit`() throws {
    let given = try #require(cases.first { $0.name == "tall" })
    let pipeline = try #require(try given.source.load() as? FluxPipeline)
    let network = pipeline.transformer.network
    let conditioning = FluxConditioning(
      rows: try expected(given, "rows"), pooled: try expected(given, "pooled"),
      source: FluxSource(try expected(given, "source_latents")))
    let (initial, timestep) = (
      try expected(given, "initial"), Tensor([700 as Float, 300, 20], shape: [3])
    )
    let results = [conditioning, network.embedded(conditioning)].map { conditioning in
      withoutGradient {
        network(
          initial, timestep: timestep, guidance: 2.5, embeddings: conditioning
        ).floats()
      }
    }
    #expect(results[0] == results[1])
  }

  @Test func `a source image is taken by the class that edits, and by no other`() throws {
    let editing = try FlowModelRegistry.defaults(of: fixture("flux-kontext/model"))
    #expect(editing.conditionImages == 0...1 && editing.guidanceScale == 3.5)
    #expect(try FlowModelRegistry.defaults(of: fixture("flux-dev/model")).conditionImages == 0...0)
    let model = try ModelSource(folder: fixture("flux-kontext/model"), imageSize: nil).load()
    #expect(model.className == "FluxKontextPipeline")
    #expect(try FlowModelRegistry.className(of: fixture("flux-dev/model")) == "FluxPipeline")
  }

  @Test func `the plan counts the source's tokens and its encoding`() throws {
    func metadata(_ model: String) throws -> FlowModelMetadata {
      try FluxPipeline.metadata(
        of: ModelSource(
          folder: fixture("\(model)/model"), imageSize: ImageSize(height: 32, width: 16),
          maxSequenceLength: 9),
        training: .full)
    }
    let (plain, editing) = (try metadata("flux-dev"), try metadata("flux-kontext"))
    #expect(editing.geometry == plain.geometry)
    #expect(editing.promptElements == plain.promptElements + 4 * 16 * 8)
    #expect(editing.textEncoders.count == plain.textEncoders.count)
    #expect(plain.sourceEncodingBytes == nil)
    let encoding = try #require(editing.sourceEncodingBytes)
    #expect(encoding(4, .cpu) > 4 * 32 * 16 * 8)
    #expect(editing.work.forward > 1.5 * plain.work.forward)
    #expect(editing.activations(4).kept > plain.activations(4).kept)
  }
}
