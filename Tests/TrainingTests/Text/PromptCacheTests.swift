import DiffusionModels
import Foundation
import Runs
import TestSupport
import Testing
import Torch
import Training

/// A pipeline with T5 that may be modified, and a folder for its embeddings.
private struct Workplace {
  let folder: String
  var model: String { "\(folder)/model" }

  init(_ folder: String) throws {
    self.folder = folder
    try FileManager.default.copyItem(atPath: fixture("pipeline/model-t5"), toPath: model)
  }

  func settings(_ change: (inout PromptCache.Settings) -> Void = { _ in }) -> PromptCache.Settings {
    var settings = PromptCache.Settings(
      ModelSource(folder: model, maxSequenceLength: 7), folder: "\(folder)/cache")
    change(&settings)
    return settings
  }

  func open(
    _ notes: Notes = Notes(), _ change: (inout PromptCache.Settings) -> Void = { _ in }
  ) throws -> PromptCache {
    try PromptCache(settings(change), progress: notes.reporter)
  }

  /// The files of encoded prompts.
  var shards: [String] {
    get throws {
      try FileManager.default.subpathsOfDirectory(atPath: "\(folder)/cache")
        .filter { $0.hasSuffix(".safetensors") }.map { "\(folder)/cache/\($0)" }
    }
  }
}

/// The messages of a cache.
private final class Notes {
  private(set) var text = ""
  var reporter: ProgressReporter {
    ProgressReporter(columns: nil, write: { self.text += $0 }, now: { 0 })
  }
}

private func same(_ first: [PromptEmbeddings], _ second: [PromptEmbeddings]) -> Bool {
  first.count == second.count
    && zip(first, second).allSatisfy { first, second in
      first.tensors.map(\.name).sorted() == second.tensors.map(\.name).sorted()
        && first.tensors.allSatisfy { name, tensor in
          second[name].map { largestDifference(tensor, $0) == 0 } ?? false
        }
    }
}

@Suite struct PromptCacheTests {
  private let prompts = (0..<40).map { "a photo of \($0) red circles" }

  @Test func `embeddings from disk equal the encoders', for any prompts in any order`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      let cache = try place.open()
      try cache.prepare(prompts)
      let requested = [prompts[39], prompts[0], prompts[39], prompts[33]]
      let found = try cache.embeddings(requested)
      let expected = try StableDiffusion3Pipeline(
        folder: place.model, text: .loaded(maxSequenceLength: 7)
      ).encode(requested)
      for name in ["clip", "t5", "pooled"] {
        let pair = (try #require(found.stacked(name)), try #require(expected.stacked(name)))
        #expect(relativeError(pair.0, pair.1) < 1e-6, "\(name)")
      }
      #expect(found.count == 4 && found[0]["clip"]?.shape[0] == 16)
      #expect(found[0]["t5"]?.shape == [7, 32])
      #expect(cache.encoderLoads == 1)
    }
  }

  @Test func `a second process loads no text encoder and works without them`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      let first = try place.open().embeddings(prompts)
      for name in ["text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer_3"] {
        try FileManager.default.removeItem(atPath: "\(place.model)/\(name)")
      }
      let cache = try place.open()
      #expect(same(try cache.embeddings(prompts), first))
      #expect(cache.encoderLoads == 0)
      let error = #expect(throws: TrainingError.self) { try cache.embeddings(["a new prompt"]) }
      #expect(error?.description.contains("text_encoder") == true)
    }
  }

  @Test func `the error for a missing T5 describes the model without it`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      try FileManager.default.removeItem(atPath: "\(place.model)/text_encoder_3")
      let error = #expect(throws: TrainingError.self) { try place.open() }
      #expect(error?.description.contains("[null, null]") == true)
    }
  }

  @Test func `only new prompts are encoded`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      try place.open().prepare(prompts)
      let count = try place.shards.count
      let notes = Notes()
      try place.open(notes).prepare(prompts + ["a new one"])
      #expect(notes.text.contains("encoding prompts 1/1"))
      #expect(try place.shards.count == count + 1)
    }
  }

  @Test func `a damaged byte is found at any time, and the prompts are encoded again`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      let notes = Notes()
      let cache = try place.open(notes)
      let sound = try cache.embeddings(prompts)
      let shard = try #require(try place.shards.first)
      var bytes = try Data(contentsOf: URL(filePath: shard))
      bytes[bytes.count - 100] ^= 4
      try bytes.write(to: URL(filePath: shard))
      #expect(same(try cache.embeddings(prompts), sound))
      #expect(notes.text.contains("its checksum differs"))
      #expect(notes.text.contains("encoded again"))
      #expect(cache.encoderLoads == 2)
      #expect(same(try place.open().embeddings(prompts), sound))
    }
  }

  @Test func `a truncated file is found at the start`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      let sound = try place.open().embeddings(prompts)
      let shard = try #require(try place.shards.first)
      let bytes = try Data(contentsOf: URL(filePath: shard))
      try bytes.prefix(bytes.count / 2).write(to: URL(filePath: shard))
      let notes = Notes()
      let cache = try place.open(notes)
      #expect(notes.text.contains("encoded again"))
      #expect(same(try cache.embeddings(prompts), sound))
    }
  }

  @Test func `a moved model shares the cache, other files or settings do not`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      try place.open().prepare(prompts)
      func loads(_ change: (inout PromptCache.Settings) -> Void) throws -> Int {
        let cache = try place.open(Notes(), change)
        try cache.prepare(prompts)
        return cache.encoderLoads
      }
      try FileManager.default.copyItem(atPath: place.model, toPath: "\(folder)/elsewhere")
      #expect(try loads { $0.model.folder = "\(folder)/elsewhere" } == 0)
      #expect(try loads { $0.model.maxSequenceLength = 8 } == 1)
      #expect(try loads { $0.model.placement.dtype = .bfloat16 } == 1)
      let weights = "\(folder)/elsewhere/text_encoder_3/model.safetensors"
      var tensors = try WeightsFile(path: weights).tensors
      let key = "encoder.block.1.layer.1.DenseReluDense.wo.weight"
      tensors[key] = try #require(tensors[key]) * 1.01
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: weights)
      #expect(try loads { $0.model.folder = "\(folder)/elsewhere" } == 1)
    }
  }

  @Test func `one replaced token embedding is detected`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      try place.open().prepare(prompts)
      for (component, key) in [
        ("text_encoder", "text_model.embeddings.token_embedding.weight"),
        ("text_encoder_2", "text_model.embeddings.token_embedding.weight"),
        ("text_encoder_3", "shared.weight"),
      ] {
        let path = "\(place.model)/\(component)/model.safetensors"
        var tensors = try WeightsFile(path: path).tensors.mapValues { $0.clone() }
        let table = try #require(tensors[key])
        let count = table.shape[0]
        // The last row, far from the middle: CLIP's end of a prompt.
        let rows = table.narrowed(dim: 0, start: 0, length: count - 1)
        let row = Tensor.ones([1, table.shape[1]], dtype: table.dtype)
        tensors[key] = Tensor.cat([rows, row], dim: 0)
        try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: path)
        let cache = try place.open()
        let found = try cache.embeddings(prompts)
        let expected = try StableDiffusion3Pipeline(
          folder: place.model, text: .loaded(maxSequenceLength: 7)
        ).encode(prompts)
        for name in ["clip", "t5"] {
          let pair = (try #require(found.stacked(name)), try #require(expected.stacked(name)))
          #expect(relativeError(pair.0, pair.1) < 1e-6, "\(component)")
        }
        #expect(cache.encoderLoads == 1, "\(component)")
      }
    }
  }

  @Test func `one line counts the truncated prompts and those that T5 encodes whole`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      let notes = Notes()
      let long = String(repeating: "circle ", count: 15)
      try place.open(notes) { $0.model.maxSequenceLength = 60 }
        .prepare(["a red circle", long, String(repeating: long, count: 9)])
      let line =
        "2 of 3 prompts are longer than the 16 tokens of the CLIP text encoders, which "
        + "truncate them; T5, with max_sequence_length 60, encodes 1 of these 2 whole.\n"
      #expect(notes.text.contains(line), "\(notes.text)")
      // A later run reports the prompts that it finds as well; the second call has nothing new.
      let later = Notes()
      let cache = try place.open(later) { $0.model.maxSequenceLength = 60 }
      let found = ["a red circle", long, String(repeating: long, count: 9)]
      try cache.prepare(found)
      _ = try cache.embeddings(found)
      #expect(later.text == line, "\(later.text)")
      #expect(cache.encoderLoads == 0)
      // There is no line for prompts that fit.
      let others = Notes()
      try place.open(others) { $0.model.maxSequenceLength = 60 }.prepare(["a blue square"])
      #expect(!others.text.contains("longer"))
      // Each encoder that truncates has its part.
      let both = Notes()
      try place.open(both) { $0.model.maxSequenceLength = 2 }.prepare(["a red circle", long])
      #expect(both.text.contains("1 of 2 prompts are longer than the 16 tokens of the CLIP text"))
      #expect(both.text.contains("; 1 of 2 prompts are longer than the 2 tokens of the T5 text"))
    }
  }

  @Test func `without T5 the line states that the rest is ignored`() throws {
    let encoder = try SD3PromptEncoder(folder: fixture("pipeline/model"))
    let long = String(repeating: "circle ", count: 15)
    let truncation = try #require(encoder.truncation(of: long))
    #expect(
      PromptTruncation.notice([truncation], of: 1, maxSequenceLength: 256)
        == "1 of 1 prompt is longer than the 16 tokens of the CLIP text encoders, which "
        + "truncate it; the rest is ignored")
    #expect(encoder.truncation(of: "a red circle") == nil)
  }

  @Test func `a truncation is stored as text`() {
    for isWhole in [nil, true, false] as [Bool?] {
      let truncation = PromptTruncation(
        encoders: "CLIP text encoders", tokens: 77,
        longest: isWhole.map { PromptTruncation.Longest(encoder: "T5", isWhole: $0) })
      #expect(PromptTruncation(text: truncation.text) == truncation)
    }
    for text in ["", "77", "|77", "CLIP|x", "CLIP|77|T5", "CLIP|77|T5|half", "CLIP|77||whole"] {
      #expect(PromptTruncation(text: text) == nil, "\(text)")
    }
  }

  @Test func `two caches may encode the same prompts at once`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      let caches = try (0..<2).map { _ in try place.open() }
      for cache in caches { try cache.prepare(prompts) }
      let count = try place.shards.count
      #expect(count == 2)
      #expect(same(try caches[0].embeddings(prompts), try caches[1].embeddings(prompts)))
    }
  }

  @Test func `a folder that cannot be written names the setting that chooses another`() throws {
    try withTemporaryFolder { folder in
      let place = try Workplace(folder)
      try Data().write(to: URL(filePath: "\(folder)/cache"))
      let error = #expect(throws: TrainingError.self) { try place.open() }
      #expect(error?.description.contains("prompt_cache (--prompt-cache)") == true)
    }
  }

  @Test func `texts that Swift calls equal are two prompts`() throws {
    try withTemporaryFolder { folder in
      let cache = try Workplace(folder).open()
      let found = try cache.embeddings(["caf\u{E9}", "cafe\u{301}"])
      #expect(found.count == 2)
      #expect(cache.encoderLoads == 1)
    }
  }
}
