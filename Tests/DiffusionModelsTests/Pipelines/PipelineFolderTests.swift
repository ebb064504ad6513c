import DiffusionModels
import Foundation
import Foundations
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct PipelineFolderTests {
  private let model = fixture("pipeline/model")

  @Test func `a written pipeline is read back unchanged`() throws {
    let pipeline = try StableDiffusion3Pipeline(folder: model)
    try withTemporaryFolder { folder in
      let target = "\(folder)/copy"
      try pipeline.write(to: target)
      // Writes again, over the first folder.
      try pipeline.write(to: target)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["copy"])
      let copy = try StableDiffusion3Pipeline(folder: target)
      #expect(copy.transformer.network.configuration == pipeline.transformer.network.configuration)
      #expect(copy.scheduler == pipeline.scheduler)
      let latents = Tensor.randn(
        pipeline.latentShape(count: 1), generator: Generator(seed: 1))
      let prompts = ["a red circle"]
      let first = pipeline.sample(from: latents, prompts: prompts, guidanceScale: 3, stepCount: 2)
      let second = copy.sample(from: latents, prompts: prompts, guidanceScale: 3, stepCount: 2)
      #expect(largestDifference(first, second) == 0)
      #expect(copy.decode(second).bytes() == pipeline.decode(first).bytes())
    }
  }

  @Test func `the index has diffusers' class names of the components`() throws {
    try withTemporaryFolder { folder in
      try StableDiffusion3Pipeline(folder: model).write(to: "\(folder)/copy")
      let written = try index("\(folder)/copy/model_index.json")
      let original = try index("\(model)/model_index.json")
      #expect(written == original)
    }
  }

  @Test func `a missing file is named`() throws {
    for name in [
      "model_index.json", "transformer/config.json", "scheduler/scheduler_config.json",
      "tokenizer_2/vocab.json", "vae/diffusion_pytorch_model.safetensors",
    ] {
      try withCopy { folder in
        try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        let error = #expect(throws: PipelineError.self) {
          try StableDiffusion3Pipeline(folder: folder)
        }
        let stem = name.replacing(".safetensors", with: "").split(separator: "/").last ?? ""
        let text = try #require(error).description
        #expect(text.contains(stem), "\(name)")
      }
    }
  }

  @Test(arguments: [
    ("\"SD3Transformer2DModel\"", "\"FluxTransformer2DModel\"", "transformer"),
    ("\"StableDiffusion3Pipeline\"", "\"FluxPipeline\"", "_class_name"),
    ("\"AutoencoderKL\"", "null", "vae"),
  ])
  func `a wrong class names the component`(
    found: String, replacement: String, component: String
  ) throws {
    try withCopy { folder in
      try replace(found, with: replacement, in: "\(folder)/model_index.json")
      let error = #expect(throws: PipelineError.self) {
        try StableDiffusion3Pipeline(folder: folder)
      }
      guard case .wrongClass(_, let name, _, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
      #expect(name == component)
    }
  }

  @Test func `an unknown component or key is refused`() throws {
    for (file, found, replacement) in [
      ("model_index.json", "\"vae\"", "\"controlnet\": [\"diffusers\", \"X\"], \"vae\""),
      ("transformer/config.json", "\"num_layers\"", "\"number_of_layers\": 2, \"num_layers\""),
      ("tokenizer/tokenizer_config.json", "\"errors\"", "\"splitting\": 1, \"errors\""),
    ] {
      try withCopy { folder in
        try replace(found, with: replacement, in: "\(folder)/\(file)")
        let error = #expect(throws: PipelineError.self) {
          try StableDiffusion3Pipeline(folder: folder)
        }
        let text = try #require(error).description
        #expect(text.contains("unknown key"), "\(file)")
      }
    }
  }

  @Test func `T5 in the index without its folders is an error with a remedy`() throws {
    for component in ["text_encoder_3", "tokenizer_3"] {
      try withCopy(of: fixture("pipeline/model-t5")) { folder in
        try FileManager.default.removeItem(atPath: "\(folder)/\(component)")
        let error = #expect(throws: PipelineError.self) {
          try StableDiffusion3Pipeline(folder: folder)
        }
        #expect(error == .absentT5(folder: folder))
        #expect(error?.description.contains("[null, null]") == true)
        // T5 is optional if the prompt embeddings come from elsewhere.
        _ = try StableDiffusion3Pipeline(folder: folder, text: .absent())
        // The remedy.
        try changeIndex(
          folder,
          [
            "text_encoder_3": [nil, nil] as [String?], "tokenizer_3": [nil, nil] as [String?],
          ])
        #expect(try StableDiffusion3Pipeline(folder: folder).text?.t5 == nil)
      }
    }
  }

  @Test func `a model that was saved without T5 may keep its tokenizer, and nulls may be bare`()
    throws
  {
    let plain = try StableDiffusion3Pipeline(folder: model)
    let prompts = ["a red circle"]
    for isBare in [false, true] {
      for keepsTokenizer in [false, true] {
        try withCopy { folder in
          let null: Any = isBare ? NSNull() : [NSNull(), NSNull()]
          let tokenizer = ["transformers", "T5TokenizerFast"]
          try setIndex(
            folder,
            [
              "text_encoder_3": null, "tokenizer_3": keepsTokenizer ? tokenizer : null,
              "image_encoder": null, "feature_extractor": null,
            ])
          if keepsTokenizer {
            try FileManager.default.copyItem(
              atPath: fixture("pipeline/model-t5/tokenizer_3"), toPath: "\(folder)/tokenizer_3")
          }
          #expect(try !SD3ModelIndex(folder: folder).hasT5)
          let pipeline = try StableDiffusion3Pipeline(folder: folder)
          #expect(pipeline.text?.t5 == nil)
          let found = pipeline.conditioning(pipeline.encode(prompts))
          let expected = plain.conditioning(plain.encode(prompts))
          #expect(found.zeroRowCount == expected.zeroRowCount)
          #expect(largestDifference(found.rows, expected.rows) == 0)
          // A copy holds all that its index names.
          try pipeline.write(to: "\(folder)/copy", textFrom: folder)
          let isThere = FileManager.default.fileExists(atPath: "\(folder)/copy/tokenizer_3")
          #expect(isThere == keepsTokenizer)
          #expect(try StableDiffusion3Pipeline(folder: "\(folder)/copy").text?.t5 == nil)
        }
      }
    }
  }

  @Test func `mutated indices result in an index or a typed error, never a crash`() throws {
    var random = SplitMix64(seed: 13)
    try withCopy { folder in
      let url = URL(fileURLWithPath: "\(folder)/model_index.json")
      let whole = try [UInt8](Data(contentsOf: url))
      for _ in 0..<300 {
        var bytes = whole
        for _ in 0...Int.random(in: 0..<3, using: &random) {
          let position = Int.random(in: 0..<bytes.count, using: &random)
          let texts = ["null", "[", "{}", "\"", "1e999", ",", "\\ud800", "\"text_encoder_3\": 3,"]
          if Bool.random(using: &random) {
            bytes[position] = UInt8.random(in: 0...255, using: &random)
          } else {
            bytes.insert(contentsOf: texts.randomElement(using: &random)!.utf8, at: position)
          }
        }
        try Data(bytes).write(to: url)
        do throws(PipelineError) {
          _ = try SD3ModelIndex(folder: folder).textComponents
        } catch {
          #expect(error.description.contains("model_index.json"))
        }
      }
    }
  }

  @Test(arguments: [
    ("text_encoder_3", ["transformers", "UMT5EncoderModel"]),
    ("tokenizer_3", ["transformers", "CLIPTokenizer"]),
    ("tokenizer_3", [nil, nil]),
    ("scheduler", ["diffusers", "EulerDiscreteScheduler"]),
  ])
  func `a component of another class is named`(component: String, found: [String?]) throws {
    try withCopy(of: fixture("pipeline/model-t5")) { folder in
      try changeIndex(folder, [component: found])
      let error = #expect(throws: PipelineError.self) {
        try StableDiffusion3Pipeline(folder: folder)
      }
      guard case .wrongClass(_, component, _, found.last ?? nil) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
    }
  }

  @Test func `images as prompts are refused`() throws {
    try withCopy { folder in
      try changeIndex(
        folder, ["image_encoder": ["transformers", "SiglipVisionModel"] as [String?]])
      let error = #expect(throws: PipelineError.self) {
        try StableDiffusion3Pipeline(folder: folder)
      }
      #expect(error?.description.contains("image_encoder") == true)
    }
  }

  @Test func `a scheduler of another kind is refused`() throws {
    try withCopy { folder in
      try replace(
        "FlowMatchEulerDiscreteScheduler", with: "DDIMScheduler",
        in: "\(folder)/scheduler/scheduler_config.json")
      let error = #expect(throws: PipelineError.self) {
        try StableDiffusion3Pipeline(folder: folder)
      }
      #expect(error?.description.contains("DDIMScheduler") == true)
    }
  }

  @Test func `a tokenizer with more tokens than its text encoder is refused`() throws {
    let loaded = try SD3PromptEncoder(folder: fixture("pipeline/model-t5"))
    let t5 = try #require(loaded.t5)
    var configuration = t5.encoder.network.configuration
    configuration.vocabSize = 10
    let store = ParameterStore(.meta, device: .meta)
    let small = StoredNetwork(try T5EncoderModel(configuration, store.root), store)
    let error = #expect(throws: PipelineError.self) {
      try SD3PromptEncoder(
        textEncoders: loaded.textEncoders, tokenizers: loaded.tokenizers,
        t5: .init(encoder: small, tokenizer: t5.tokenizer))
    }
    #expect(error?.description.contains("text_encoder_3 10") == true)
  }

  @Test func `text components are copied unchanged, links included`() throws {
    try withCopy(of: fixture("pipeline/model-t5")) { folder in
      let weights = "\(folder)/text_encoder_3/model.safetensors"
      try FileManager.default.moveItem(atPath: weights, toPath: "\(folder)/blob")
      try FileManager.default.createSymbolicLink(
        atPath: weights, withDestinationPath: "../blob")
      let pipeline = try StableDiffusion3Pipeline(folder: folder, text: .absent())
      try pipeline.write(to: "\(folder)/copy", textFrom: folder)
      try FileManager.default.removeItem(atPath: "\(folder)/blob")
      let copy = try StableDiffusion3Pipeline(folder: "\(folder)/copy")
      #expect(copy.text?.t5 != nil)
    }
  }

  @Test func `incompatible components are refused when the pipeline is created`() throws {
    try withCopy { folder in
      try replace(
        "\"model_max_length\": 16", with: "\"model_max_length\": 40",
        in: "\(folder)/tokenizer/tokenizer_config.json")
      let error = #expect(throws: PipelineError.self) {
        try StableDiffusion3Pipeline(folder: folder)
      }
      guard case .inconsistent = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
    }
  }

  private func withCopy(of model: String? = nil, _ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(atPath: model ?? self.model, toPath: "\(folder)/model")
      try body("\(folder)/model")
    }
  }

  private func replace(_ text: String, with replacement: String, in path: String) throws {
    let original = try String(contentsOfFile: path, encoding: .utf8)
    try #require(original.contains(text), "\(path) has no \(text)")
    try Data(original.replacing(text, with: replacement).utf8)
      .write(to: URL(fileURLWithPath: path))
  }

  private func changeIndex(_ folder: String, _ changes: [String: [String?]]) throws {
    try setIndex(folder, changes.mapValues { names in names.map { $0 as Any? ?? NSNull() } })
  }

  private func setIndex(_ folder: String, _ changes: [String: Any]) throws {
    let path = "\(folder)/model_index.json"
    var entries = try #require(try index(path) as? [String: Any])
    entries.merge(changes) { $1 }
    try JSONSerialization.data(withJSONObject: entries).write(to: URL(fileURLWithPath: path))
  }

  private func index(_ path: String) throws -> NSDictionary {
    try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        as? NSDictionary)
  }
}
