import DiffusionModels
import FlowMatching
import Foundation
import TestSupport
import Testing
import TextTokenizers
import Torch

/// One case of Tools/fixtures/pipeline.py: results of diffusers' StableDiffusion3Pipeline.
private struct TextCase: Decodable, CustomTestStringConvertible {
  let name: String
  let model: String
  let steps: Int
  let guidance: Double
  let negative: String
  /// `max_sequence_length`
  let length: Int
  /// Height and width of the latents.
  let latents: [Int]
  /// Whether the scheduler's shift depends on the size.
  let dynamic: Bool?

  var testDescription: String { name }

  struct File: Decodable {
    let prompts: [String]
    let cases: [TextCase]
  }

  static func file() throws -> File {
    let path = fixture("pipeline/text-cases.json")
    return try JSONDecoder().decode(
      File.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  func pipeline() throws -> StableDiffusion3Pipeline {
    let size = ImageSize(height: 2 * latents[0], width: 2 * latents[1])
    let loaded = try StableDiffusion3Pipeline(
      folder: fixture("pipeline/\(model)"), text: .loaded(maxSequenceLength: length),
      imageSize: size)
    guard dynamic == true else { return loaded }
    var scheduler = SchedulerConfiguration()
    scheduler.usesDynamicShifting = true
    return try StableDiffusion3Pipeline(
      transformer: loaded.transformer, autoencoder: loaded.autoencoder, text: loaded.text,
      scheduler: scheduler, imageSize: size)
  }
}

@Suite struct TextParityTests {
  private let tensors: [String: Tensor]

  init() throws {
    tensors = try WeightsFile(path: fixture("pipeline/text-cases.safetensors")).tensors
  }

  @Test func `embeddings and images with T5, lengths, negative prompts and sizes equal diffusers'`()
    throws
  {
    let file = try TextCase.file()
    #expect(file.cases.count == 4)
    for given in file.cases {
      func expected(_ name: String) throws -> Tensor {
        try #require(tensors["\(given.name).\(name)"])
      }
      let pipeline = try given.pipeline()
      #expect((pipeline.text?.t5 != nil) == (given.model == "model-t5"))
      let prompts = pipeline.encode(file.prompts)
      let negative = pipeline.encode([given.negative])
      for (found, rows, pooled) in [
        (pipeline.conditioning(prompts), "rows", "pooled"),
        (pipeline.conditioning(negative), "negative_rows", "negative_pooled"),
      ] {
        #expect(relativeError(try writtenOut(found), try expected(rows)) < 1e-5, "\(given.name)")
        #expect(relativeError(found.pooled, try expected(pooled)) < 1e-5, "\(given.name)")
      }
      let final = pipeline.sample(
        from: try expected("initial"), prompts: prompts, negative: negative[0],
        guidance: StableDiffusion3Pipeline.defaults.guidance(scale: given.guidance),
        stepCount: given.steps)
      #expect(relativeError(final, try expected("latents")) < 1e-4, "\(given.name)")
      #expect(
        relativeError(images(pipeline, final), try expected("images")) < 1e-4, "\(given.name)")
    }
  }

  /// The fixture is written by `python Tools/fixtures/textual_inversion.py`.
  @Test func `embeddings with tokens of textual inversion equal diffusers'`() throws {
    let expected = try WeightsFile(path: fixture("pipeline/added-tokens.safetensors"))
    let prompts = try prompts(of: expected)
    try withTemporaryFolder { folder in
      let model = "\(folder)/model"
      try FileManager.default.copyItem(atPath: fixture("pipeline/model"), toPath: model)
      let tokens: [[String: Any]] = [
        ["content": "<cat-toy>", "normalized": true],
        ["content": "*s", "normalized": false, "lstrip": true],
      ]
      for suffix in ["", "_2"] { try add(tokens, from: 620, to: clipTable, of: model, suffix) }
      try change("\(model)/text_encoder/config.json") { $0["eos_token_id"] = 2 }
      let encoder = try SD3PromptEncoder(folder: model, maxSequenceLength: 5)
      #expect(encoder.tokenizers.map(\.vocabularyCount) == [622, 622])
      let found = SD3Conditioning(encoder.encode(prompts), width: 24, t5Length: 5)
      let rows = try #require(expected.tensors["rows"])
      #expect(relativeError(try writtenOut(found), rows) < 1e-5)
      #expect(relativeError(found.pooled, try #require(expected.tensors["pooled"])) < 1e-5)
      // Without the new rows an encoder is smaller than its tokenizer's vocabulary.
      try change("\(model)/text_encoder/config.json") { $0["vocab_size"] = 621 }
      #expect(throws: PipelineError.self) { try SD3PromptEncoder(folder: model) }
    }
  }

  /// The fixture is written by `python Tools/fixtures/textual_inversion.py`.
  @Test func `FLUX's embeddings with a token of three vectors equal diffusers'`() throws {
    let expected = try WeightsFile(path: fixture("flux-dev/added-tokens.safetensors"))
    let prompts = try prompts(of: expected)
    try withTemporaryFolder { folder in
      let model = "\(folder)/model"
      try FileManager.default.copyItem(atPath: fixture("flux-dev/model"), toPath: model)
      for (suffix, key, first) in [
        ("", clipTable, 620), ("_2", "shared.weight", 46),
      ] {
        let tokens = ["<cat>", "<cat>_1", "<cat>_2", "*s"].map {
          ["content": $0, "normalized": false, "lstrip": $0 == "*s"] as [String: Any]
        }
        try add(tokens, from: first, to: key, of: model, suffix)
      }
      let source = ModelSource(
        folder: model, imageSize: ImageSize(height: 32, width: 32), maxSequenceLength: 24)
      let encoder = try FluxPromptEncoder(source)
      let found = encoder.encode(prompts.map { PromptInput($0) })
      for (name, key) in [("t5", "rows"), ("pooled", "pooled")] {
        let rows = try #require(found.stacked(name))
        #expect(relativeError(rows, try #require(expected.tensors[key])) < 1e-5, "\(name)")
      }
      // Of 16 tokens of CLIP, the start and the end are two, and a cat is three.
      let cats = { Array(repeating: "<cat>", count: $0).joined(separator: " ") }
      #expect(encoder.truncation(of: cats(4)) == nil)
      #expect(encoder.truncation(of: cats(5))?.encoders == "CLIP text encoder")
    }
  }

  /// CLIP's table of embeddings.
  private var clipTable: String { "text_model.embeddings.token_embedding.weight" }

  private func prompts(of fixture: WeightsFile) throws -> [String] {
    try JSONDecoder().decode(
      [String].self, from: Data(try #require(fixture.metadata["prompts"]).utf8))
  }

  /// Adds tokens to a tokenizer of a pipeline folder, and their rows to its encoder's table.
  ///
  /// - Parameters:
  ///   - tokens: entries of `added_tokens_decoder`.
  ///   - first: the id of the first.
  ///   - suffix: of the folders.
  private func add(
    _ tokens: [[String: Any]], from first: Int, to key: String, of model: String,
    _ suffix: String
  ) throws {
    let encoder = "\(model)/text_encoder\(suffix)"
    let path = "\(encoder)/model.safetensors"
    var tensors = try WeightsFile(path: path).tensors.mapValues { $0.clone() }
    let table = try #require(tensors[key])
    let rows = (1...tokens.count).map {
      (Tensor.arange(table.shape[1]).to(.float32) * 0.03 - 0.1 * Double($0)).unsqueezed(0)
    }
    tensors[key] = Tensor.cat([table.narrowed(dim: 0, 0..<first)] + rows, dim: 0)
    try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: path)
    try change("\(encoder)/config.json") { $0["vocab_size"] = first + tokens.count }
    try change("\(model)/tokenizer\(suffix)/tokenizer_config.json") {
      var listed = $0["added_tokens_decoder"] as? [String: Any] ?? [:]
      for (row, token) in tokens.enumerated() { listed["\(first + row)"] = token }
      $0["added_tokens_decoder"] = listed
    }
  }

  /// Changes the members of a JSON file.
  private func change(_ path: String, _ body: (inout [String: Any]) -> Void) throws {
    let url = URL(filePath: path)
    let contents = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
    var members = try #require(contents as? [String: Any])
    body(&members)
    try JSONSerialization.data(withJSONObject: members).write(to: url)
  }

  /// The rows with the zero rows written out.
  private func writtenOut(_ embeddings: SD3Conditioning) throws -> Tensor {
    let shape = embeddings.rows.shape
    let zeros = Tensor.zeros([shape[0], embeddings.zeroRowCount, shape[2]])
    return Tensor.cat([embeddings.rows, zeros], dim: 1)
  }

  /// The decoded images, 0 to 1: `[B, 3, H, W]`.
  private func images(_ pipeline: StableDiffusion3Pipeline, _ latents: Tensor) -> Tensor {
    withoutGradient {
      let network = pipeline.autoencoder.network
      return (network.decode(network.denormalized(latents)) * 0.5 + 0.5).clamped(0, 1)
    }
  }
}
