import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// A prompt, its tokens in the template and its embeddings, written by `python
/// Tools/fixtures/qwen_text.py`.
private struct PromptCase: Decodable {
  let prompt: String
  /// Tokens with the template, not truncated.
  let whole: Int
  /// Tokens with the template, 34 + 1024 at most.
  let tokens: Int
  /// The last ids.
  let last: [Int]
  /// Rows of the embeddings, of which the file has the last.
  let rows: Int

  static func all(_ name: String) throws -> [PromptCase] {
    let path = fixture("qwen-text/\(name)/cases.json")
    return try JSONDecoder().decode(
      [PromptCase].self, from: Data(contentsOf: URL(filePath: path)))
  }
}

@Suite struct Qwen25TextEncoderTests {
  private func encoder(_ name: String, _ placement: Placement = Placement()) throws
    -> Qwen25TextEncoder
  {
    try Qwen25TextEncoder(folder: fixture("qwen-text/\(name)"), placement: placement)
  }

  // MARK: - Network

  @Test(arguments: ["published", "saved"])
  func `the decoder and its gradients equal transformers'`(name: String) throws {
    let given = try FixtureCase(
      "text_encoder", in: "qwen-text/\(name)", Qwen25VLConfiguration.self, weights: "model")
    let model = try Qwen25LanguageModel(given.configuration, given.store.root)
    try given.store.finish()
    let embeddings = try given.leaf("embeddings")
    let positions = [[Int]](repeating: Array(0..<embeddings.shape[1]), count: 3)
    try given.check(
      ["hidden": model.decoder(embeddings, positions: positions)],
      leaves: ["embeddings": embeddings])
  }

  /// Each precision, with the key of the fixture and the relative error of rounding in another
  /// order: bfloat16 has 8 bits.
  @Test(
    arguments: ["published", "saved"],
    [(DType.float32, "states", 1e-5), (.bfloat16, "bfloat16", 2e-2)])
  func `the states of tokens are the last ones of transformers, after the final norm`(
    name: String, precision: (dtype: DType, key: String, tolerance: Double)
  ) throws {
    let given = try FixtureCase(
      "text_encoder", in: "qwen-text/\(name)", Qwen25VLConfiguration.self, weights: "model")
    let network = try encoder(name, Placement(dtype: precision.dtype)).model.network
    let ids = try given["ids"]
    let rows = (0..<ids.shape[0]).map { ids.selected(dim: 0, index: $0).ints() }
    let states = withoutGradient { network(rows) }
    #expect(states.dtype == precision.dtype)
    #expect(
      relativeError(states.to(.float32), try given[precision.key]) < precision.tolerance)
  }

  @Test func `the published size has the published keys and shapes`() throws {
    try KeyManifest.check("qwen25-vl-language-model") {
      _ = try Qwen25LanguageModel(Qwen25VLConfiguration(), $0)
    }
  }

  @Test(arguments: ["published", "saved"])
  func `vision tower and head are in the file and not in the store`(name: String) throws {
    let folder = fixture("qwen-text/\(name)/text_encoder")
    let keys = try WeightsFile.open(folder: folder, baseName: "model").tensors.keys
    let used = try encoder(name).model.store.weights.map(\.name)
    let unused = Set(keys).subtracting(used)
    #expect(unused.contains("lm_head.weight"))
    #expect(unused.count(where: { $0.contains("visual.") }) == unused.count - 1)
    #expect(unused.count > 10 && used.count == 26)
  }

  @Test func `weights of neither naming are an error with the published name`() throws {
    let folder = fixture("qwen-text/published/text_encoder")
    let configuration = try Qwen25VLConfiguration(contentsOf: "\(folder)/config.json")
    let tensors = try WeightsFile.open(folder: folder, baseName: "model").tensors
    let renamed = Dictionary(
      uniqueKeysWithValues: tensors.map { ("language_model.\($0.key)", $0.value) })
    let error = #expect(throws: ParameterError.self) {
      try Qwen25LanguageModel(
        configuration, ParameterStore(.checkpoint(renamed, origin: "here")).root)
    }
    #expect(error == .missing(key: "model.embed_tokens.weight", origin: "here"))
  }

  @Test func `a tensor outside the language model, the tower and the head is an error`() throws {
    let folder = fixture("qwen-text/published/text_encoder")
    let configuration = try Qwen25VLConfiguration(contentsOf: "\(folder)/config.json")
    var tensors = try WeightsFile.open(folder: folder, baseName: "model").tensors
    tensors["visualizer.weight"] = Tensor.zeros([2])
    let store = ParameterStore(.checkpoint(tensors, origin: "here"))
    _ = try Qwen25LanguageModel(configuration, store.root)
    let error = #expect(throws: ParameterError.self) { try store.finish() }
    #expect(error == .unused(keys: ["visualizer.weight"], origin: "here"))
  }

  // MARK: - Prompts

  @Test(arguments: ["published", "saved"])
  func `tokens equal the pipeline's, truncated ones included`(name: String) throws {
    let encoder = try encoder(name)
    for given in try PromptCase.all(name) {
      let ids = encoder.tokens(of: given.prompt, maxSequenceLength: 1024)
      #expect(ids.count == given.tokens, "\(given.prompt)")
      #expect(Array(ids.suffix(given.last.count)) == given.last, "\(given.prompt)")
      let rows = given.whole - 34
      #expect(
        encoder.isTruncated(given.prompt, maxSequenceLength: 1024) == (given.whole > 1058))
      #expect(!encoder.isTruncated(given.prompt, maxSequenceLength: rows))
      #expect(encoder.isTruncated(given.prompt, maxSequenceLength: rows - 1))
    }
  }

  /// The sums of attention and products have another order in a padded batch: measured up to 3e-7.
  @Test(arguments: ["published", "saved"])
  func `embeddings of single prompts equal those of diffusers' batch`(name: String) throws {
    let cases = try PromptCase.all(name)
    #expect(cases.contains { $0.whole > 1058 } && cases.contains { $0.prompt == " " })
    let expected = try WeightsFile(path: fixture("qwen-text/\(name)/embeddings.safetensors"))
      .tensors
    let found = try encoder(name)(cases.map(\.prompt), maxSequenceLength: 1024)
    #expect(found.count == cases.count)
    for (index, (given, rows)) in zip(cases, found).enumerated() {
      #expect(rows.shape[0] == given.rows && !rows.requiresGradient)
      let last = try #require(expected["\(index)"])
      let start = given.rows - last.shape[0]
      let error = relativeError(rows.narrowed(dim: 0, start..<given.rows), last)
      #expect(error < 1e-5, "\(given.prompt.prefix(40))")
    }
  }

  @Test func `a shorter length keeps the start of the embeddings`() throws {
    let encoder = try encoder("published")
    let prompts = try PromptCase.all("published").map(\.prompt)
    let whole = encoder(prompts, maxSequenceLength: 1024)
    let short = encoder(prompts, maxSequenceLength: 9)
    for (long, cut) in zip(whole, short) {
      #expect(cut.shape[0] == min(9, long.shape[0]))
      let start = long.narrowed(dim: 0, 0..<cut.shape[0])
      #expect(relativeError(cut, start) < 1e-6)
    }
    #expect(short.contains { $0.shape[0] < 9 })
  }

  @Test func `a prompt has the same embeddings alone and among others, to the bit`() throws {
    let encoder = try encoder("published")
    let prompts = try PromptCase.all("published").map(\.prompt)
    let together = encoder(prompts, maxSequenceLength: 512)
    for (prompt, rows) in zip(prompts, together).reversed() {
      let alone = try #require(encoder([prompt], maxSequenceLength: 512).first)
      #expect(alone.floats() == rows.floats())
    }
  }

  // MARK: - Folder

  @Test func `a tokenizer with more tokens than the network is refused`() throws {
    try withTemporaryFolder { copy in
      let files = FileManager.default
      try files.copyItem(
        atPath: fixture("qwen-text/published/tokenizer"), toPath: "\(copy)/tokenizer")
      try files.copyItem(
        atPath: fixture("qwen-text/saved/text_encoder"), toPath: "\(copy)/text_encoder")
      let error = #expect(throws: PipelineError.self) {
        try Qwen25TextEncoder(folder: copy, placement: Placement())
      }
      #expect(error?.description.contains("tokens, its text encoder 386") == true)
    }
  }

  @Test(arguments: ["published", "saved"])
  func `the measured size has the language model alone`(name: String) throws {
    let source = ModelSource(folder: fixture("qwen-text/\(name)"))
    let (configuration, size) = try NetworkSize.measure(
      "text_encoder", of: source, isUsed: { !$0.hasSuffix("embed_tokens.weight") },
      Qwen25LanguageModel.init)
    let store = try encoder(name).model.store
    #expect(size.parameters == store.weights.reduce(0) { $0 + $1.tensor.count })
    let table = configuration.language.vocabSize * configuration.language.hiddenSize
    #expect(size.used == size.parameters - table)
    #expect(size.stored == .float32)
  }
}
