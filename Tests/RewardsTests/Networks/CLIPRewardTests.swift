import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Recipes
import Rewards
import TestSupport
import Testing
import Torch
import TorchNN

/// Scores from PNG and prompt against transformers' and open_clip's
/// (`Tools/fixtures/clip_rewards.py`).
@Suite struct CLIPRewardTests {
  private static let root = fixture("rewards/clip")

  private struct Sample: Decodable {
    let image: String
    let prompt: String
  }

  private func samples() throws -> [RewardSample] {
    let data = try Data(contentsOf: URL(filePath: "\(Self.root)/samples.json"))
    return try JSONDecoder().decode([Sample].self, from: data).map {
      RewardSample(image: try PNG.read("\(Self.root)/\($0.image)"), prompt: $0.prompt)
    }
  }

  private func settings(_ folder: String) -> NetworkSettings {
    NetworkSettings(label: "mine", model: folder)
  }

  private func expected(_ folder: String, _ name: String) throws -> [Double] {
    let data = try Data(contentsOf: URL(filePath: "\(Self.root)/\(folder)/scores.json"))
    return try #require(JSONDecoder().decode([String: [Double]].self, from: data)[name])
  }

  @Test func `the bytes of a network are those of the tensors that it reads`() throws {
    func bytes(_ name: String, _ folder: String, _ more: String...) throws -> Int? {
      let entry = try RewardEntry.read(name, ["model=\(Self.root)/\(folder)"] + more)
      return entry.settings.networkFiles?.bytes
    }
    let tensors = try WeightsFile(path: "\(Self.root)/quick-gelu/model.safetensors").tensors
    let vision = tensors.filter { $0.key.hasPrefix("vis") }.values.reduce(0) { $0 + $1.count }
    let all = tensors.values.reduce(0) { $0 + $1.count }
    #expect(vision < all)
    #expect(try bytes("pickscore", "quick-gelu") == 4 * all)
    #expect(try bytes("pickscore", "quick-gelu", "precision=bfloat16") == 2 * all)
    let head = try WeightsFile(path: "\(Self.root)/quick-gelu/aesthetic.safetensors").tensors
      .values.reduce(0) { $0 + $1.count }
    #expect(try bytes("aesthetic", "quick-gelu") == 4 * (vision + head))
    #expect(try bytes("pickscore", "nowhere") == nil)
    #expect(try RewardEntry.read("jpeg_compressibility", []).settings.networkFiles == nil)
  }

  // MARK: - Parity

  @Test(arguments: [
    ("pickscore", "quick-gelu"), ("pickscore", "gelu"), ("clipscore", "quick-gelu"),
    ("clipscore", "gelu"), ("aesthetic", "quick-gelu"), ("hpsv2", "open-clip"),
  ])
  func `scores equal Python's, in one batch and in several`(name: String, folder: String)
    async throws
  {
    let expected = try expected(folder, name)
    for batchSize in [16, 2] {
      var settings = settings("\(Self.root)/\(folder)")
      settings.batchSize = batchSize
      let reward = try networkReward(name, settings)
      #expect(reward.name == "mine")
      let scores = try await reward.score(try samples())
      #expect(scores.reasons.isEmpty)
      // Measured below 5e-7.
      let error = relativeError(try scores.total.map { try #require($0) }, expected)
      #expect(error <= 1e-4)
    }
  }

  @Test(arguments: [("hpsv2", "open-clip"), ("pickscore", "gelu"), ("clipscore", "gelu")])
  func `a prompt is cleaned where the reference package cleans it`(name: String, folder: String)
    async throws
  {
    let reward = try networkReward(name, settings("\(Self.root)/\(folder)"))
    let image = try samples()[0].image
    let prompts = [
      "the \"cat's\" café & 2 dogs", "the “cat’s” café & 2 dogs",
      "the &quot;cat&rsquo;s&quot; café &amp; 2 dogs", "ｔｈｅ　“ｃａｔ’ｓ”　cafÃ© & 2 dogs",
    ]
    let scores = try await reward.score(prompts.map { RewardSample(image: image, prompt: $0) })
      .total.map { try #require($0) }
    for score in scores.dropFirst() {
      // Equal ids in other rows of a batch: measured below 1e-6. Other ids: above 2.
      #expect((relativeError([score], [scores[0]]) <= 1e-5) == (name == "hpsv2"))
    }
  }

  @Test func `an empty batch has no scores`() async throws {
    let reward = try networkReward("pickscore", settings("\(Self.root)/gelu"))
    #expect(try await reward.score([]).total.isEmpty)
  }

  @Test func `scores in bfloat16 are close to those in float32`() async throws {
    var settings = settings("\(Self.root)/quick-gelu")
    settings.precision = .bfloat16
    let scores = try await networkReward("aesthetic", settings).score(try samples())
    let total = try scores.total.map { try #require($0) }
    // A mantissa of 7 bits, over two blocks.
    #expect(relativeError(total, try expected("quick-gelu", "aesthetic")) <= 3e-2)
  }

  @Test func `the scale of a logit keeps its digits in bfloat16`() async throws {
    try await withTemporaryFolder { copy in
      let folder = try fill(copy)
      var tensors = try WeightsFile(path: "\(folder)/model.safetensors").tensors
      var total: [[Double]] = []
      // Both are 4.59375 in bfloat16.
      for logit in [4.6052, 4.59375] {
        tensors["logit_scale"] = Tensor.full([], logit)
        try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: "\(folder)/model.safetensors")
        var settings = settings(folder)
        settings.precision = .bfloat16
        let scores = try await networkReward("pickscore", settings).score(try samples())
        total.append(try scores.total.map { try #require($0) })
      }
      let ratio = exp(4.6052 - 4.59375)
      #expect(zip(total[0], total[1]).allSatisfy { abs($0 / $1 - ratio) < 1e-5 }, "\(total)")
    }
  }

  @Test func `a network with a weight that is not finite is refused at once`() throws {
    try withTemporaryFolder { copy in
      let folder = try fill(copy)
      var tensors = try WeightsFile(path: "\(folder)/model.safetensors").tensors
      tensors["visual_projection.weight"] = Tensor.full([12, 24], .nan)
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: "\(folder)/model.safetensors")
      let error = #expect(throws: RewardError.self) {
        _ = try networkReward("pickscore", settings(folder))
      }
      let text = error?.description ?? ""
      #expect(text.contains("'visual_projection.weight' holds NaN"), "\(text)")
    }
  }

  @Test func `a score that is not finite is missing, with the reason`() async throws {
    try await withTemporaryFolder { copy in
      let folder = try fill(copy)
      var tensors = try WeightsFile(path: "\(folder)/model.safetensors").tensors
      // Its exponential is beyond float32.
      tensors["logit_scale"] = Tensor.full([], 1000)
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: "\(folder)/model.safetensors")
      let scores = try await networkReward("pickscore", settings(folder))
        .score(try samples())
      #expect(scores.total == [nil, nil, nil, nil, nil])
      #expect(scores.reasons[4] == "the network's score is no number")
    }
  }

  // MARK: - Published sizes

  @Test(arguments: ["clip-vit-l-14", "clip-vit-h-14"])
  func `published models have transformers' keys and shapes`(name: String) throws {
    let isLarge = name == "clip-vit-l-14"
    let configuration = try CLIPConfiguration(
      json: Data((isLarge ? publishedLarge : publishedHuge).utf8), path: "config.json")
    #expect(configuration.vision.hiddenAct == (isLarge ? .quickGELU : .gelu))
    #expect(configuration.text.projectionDim == (isLarge ? 768 : 1024))
    let store = ParameterStore(.meta)
    _ = try CLIPModel(configuration, store.root)
    let found = Set(store.weights.map { "\($0.name) \($0.tensor.shape)" })
    #expect(found == (try manifest(name)))
  }

  /// Lines of keys and shapes, `a.{0...2}.b` unfolded.
  private func manifest(_ name: String) throws -> Set<String> {
    let text = try String(contentsOfFile: fixture("manifests/\(name).txt"), encoding: .utf8)
    return Set(
      text.split(separator: "\n").flatMap { line -> [String] in
        guard let match = line.firstMatch(of: /\{(\d+)\.\.\.(\d+)\}/) else { return [String(line)] }
        return (Int(match.1)!...Int(match.2)!).map {
          line.replacingCharacters(in: match.range, with: "\($0)")
        }
      })
  }

  // MARK: - Folders that cannot be used

  /// Copies a sound folder, all of its files but `left`.
  private func fill(_ copy: String, without left: String = "") throws -> String {
    let folder = "\(copy)/model"
    try FileManager.default.copyItem(atPath: "\(Self.root)/quick-gelu", toPath: folder)
    if !left.isEmpty { try FileManager.default.removeItem(atPath: "\(folder)/\(left)") }
    return folder
  }

  private func problem(_ name: String, _ folder: String) -> String {
    let error = #expect(throws: RewardError.self) {
      try networkReward(name, settings(folder))
    }
    return error?.description ?? ""
  }

  @Test(arguments: [
    "config.json", "model.safetensors", "vocab.json", "preprocessor_config.json",
    "tokenizer_config.json",
  ])
  func `a missing file is named, with the repository that has it`(file: String) throws {
    try withTemporaryFolder { copy in
      let problem = problem("pickscore", try fill(copy, without: file))
      #expect(problem.hasPrefix("the reward mine cannot be set up: model"))
      #expect(problem.contains(file == "vocab.json" ? "vocab" : file), "\(problem)")
      #expect(problem.contains("yuvalkirstain/PickScore_v1"))
    }
  }

  @Test func `a missing folder is named, with the files it must hold`() {
    #expect(problem("clipscore", "/nowhere").contains("/nowhere is no folder"))
    #expect(problem("clipscore", "/nowhere").contains("openai/clip-vit-large-patch14"))
    #expect(problem("hpsv2", "/nowhere").contains("Tools/convert_hpsv2.py"))
    #expect(problem("aesthetic", "/nowhere").contains("Tools/convert_aesthetic.py"))
  }

  @Test func `a folder without the aesthetic head has no aesthetic score`() {
    #expect(problem("aesthetic", "\(Self.root)/gelu").contains("aesthetic.safetensors"))
  }

  @Test func `a tensor that is missing is named`() throws {
    try withTemporaryFolder { copy in
      let folder = try fill(copy)
      var tensors = try WeightsFile(path: "\(folder)/model.safetensors").tensors
      tensors["logit_scale"] = nil
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: "\(folder)/model.safetensors")
      #expect(problem("pickscore", folder).contains("no tensor 'logit_scale'"))
    }
  }

  /// `CLIPProcessor.save_pretrained` of transformers 5.23 writes the image processor there.
  @Test func `an image processor in processor_config.json takes precedence`() async throws
  {
    try await withTemporaryFolder { copy in
      let folder = try fill(copy)
      let path = "\(folder)/preprocessor_config.json"
      let inner = try String(contentsOfFile: path, encoding: .utf8)
      try #require(inner.contains("\"shortest_edge\": 32"))
      // The other file is not read, as in transformers.
      try Data("{}".utf8).write(to: URL(filePath: path))
      let whole = #"{"image_processor": \#(inner), "processor_class": "CLIPProcessor"}"#
      let target = URL(filePath: "\(folder)/processor_config.json")
      try Data(whole.utf8).write(to: target)
      let scores = try await networkReward("pickscore", settings(folder))
        .score(try samples())
      let expected = try expected("quick-gelu", "pickscore")
      #expect(relativeError(try scores.total.map { try #require($0) }, expected) <= 1e-4)
      // It is read with the same strictness.
      try Data(whole.replacing("\"resample\": 3", with: "\"resample\": 0").utf8).write(to: target)
      #expect(problem("pickscore", folder).contains("processor_config.json: 'image_processor.resa"))
      // Without an image processor, as transformers 4 writes it, the other file is read.
      try Data(#"{"processor_class": "CLIPProcessor"}"#.utf8).write(to: target)
      #expect(problem("pickscore", folder).contains("/preprocessor_config.json: no 'image_mean'"))
      try Data(inner.utf8).write(to: URL(filePath: path))
      _ = try networkReward("pickscore", settings(folder))
    }
  }

  @Test func `mutated processor files give a reward or a typed error, never a crash`() throws {
    var random = SplitMix64(seed: 20)
    try withTemporaryFolder { copy in
      let folder = try fill(copy)
      let inner = try String(
        contentsOfFile: "\(folder)/preprocessor_config.json", encoding: .utf8)
      let whole = Array(#"{"image_processor": \#(inner)}"#.utf8)
      for _ in 0..<60 {
        var bytes = whole
        let position = Int.random(in: 0..<bytes.count, using: &random)
        if Bool.random(using: &random) {
          bytes[position] = UInt8.random(in: 0...255, using: &random)
        } else {
          let texts = ["9223372036854775807", "-1", "\"", "{", "null", "1e999", "[", "0"]
          let text = try #require(texts.randomElement(using: &random))
          bytes.replaceSubrange(position..<min(position + 3, bytes.count), with: text.utf8)
        }
        try Data(bytes).write(to: URL(filePath: "\(folder)/processor_config.json"))
        do throws(RewardError) {
          _ = try networkReward("pickscore", settings(folder))
        } catch {
          #expect(error.description.contains("the reward mine"))
        }
      }
    }
  }

  @Test(arguments: [
    (
      "config.json", #""hidden_act": "quick_gelu""#, #""hidden_akt": "gelu""#,
      "'text_config.hidden_akt': unknown key; the nearest known key is 'hidden_act'"
    ),
    ("config.json", #""image_size": 32"#, #""image_size": 40"#, "images of 32 pixels"),
    ("config.json", #""patch_size": 8"#, #""patch_size": 80"#, "'vision_config.patch_size'"),
    ("config.json", #""vocab_size": 620"#, #""vocab_size": 619"#, "the tokenizer has 620 tokens"),
    ("preprocessor_config.json", #""resample": 3"#, #""resample": 0"#, "'resample': filter 0"),
    ("preprocessor_config.json", #""do_resize": true"#, #""do_resize": false"#, "'do_resize'"),
    ("preprocessor_config.json", #""shortest_edge": 32"#, #""shortest_edge": 31"#, "32 is not in"),
    ("preprocessor_config.json", #""image_mean""#, #""image_means""#, "'image_mean'"),
    (
      "preprocessor_config.json", #""shortest_edge": 32"#, #""height": 32, "width": 32"#,
      "only shortest_edge is known"
    ),
  ])
  func `a file that does not fit is refused`(
    file: String, entry: String, replacement: String, problem expected: String
  ) throws {
    try withTemporaryFolder { copy in
      let folder = try fill(copy)
      let path = "\(folder)/\(file)"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let range = try #require(text.range(of: entry))
      try text.replacingCharacters(in: range, with: replacement)
        .write(toFile: path, atomically: true, encoding: .utf8)
      let problem = problem("pickscore", folder)
      #expect(problem.contains(expected), "\(problem)")
    }
  }
}

/// `config.json` in the form that openai/clip-vit-large-patch14 is published in, shortened where
/// entries repeat.
private let publishedLarge = """
  {"_name_or_path": "clip-vit-large-patch14/", "architectures": ["CLIPModel"],
   "initializer_factor": 1.0, "logit_scale_init_value": 2.6592, "model_type": "clip",
   "projection_dim": 768, "torch_dtype": "float32", "transformers_version": null,
   "text_config": {"_name_or_path": "", "add_cross_attention": false, "architectures": null,
     "attention_dropout": 0.0, "bad_words_ids": null, "bos_token_id": 0,
     "chunk_size_feed_forward": 0, "cross_attention_hidden_size": null, "dropout": 0.0,
     "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 768,
     "id2label": {"0": "LABEL_0"}, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
     "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
     "num_hidden_layers": 12, "pad_token_id": 1, "problem_type": null, "projection_dim": 768,
     "sep_token_id": null, "tf_legacy_loss": false, "torchscript": false, "typical_p": 1.0,
     "use_bfloat16": false, "vocab_size": 49408},
   "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
     "num_hidden_layers": 12, "projection_dim": 768},
   "vision_config": {"architectures": null, "attention_dropout": 0.0, "bos_token_id": null,
     "dropout": 0.0, "hidden_act": "quick_gelu", "hidden_size": 1024, "image_size": 224,
     "intermediate_size": 4096, "model_type": "clip_vision_model", "num_attention_heads": 16,
     "num_channels": 3, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
     "top_k": 50},
   "vision_config_dict": {"hidden_size": 1024, "intermediate_size": 4096,
     "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768}}
  """

/// The same of a ViT-H/14, whose towers' values are complete only in the second places.
private let publishedHuge = """
  {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 1024,
   "text_config": {"hidden_act": "gelu", "hidden_size": 1024, "model_type": "clip_text_model"},
   "text_config_dict": {"hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096,
     "num_attention_heads": 16, "num_hidden_layers": 24},
   "vision_config": {"hidden_size": 1280, "model_type": "clip_vision_model"},
   "vision_config_dict": {"hidden_act": "gelu", "hidden_size": 1280, "intermediate_size": 5120,
     "num_attention_heads": 16, "num_hidden_layers": 32, "patch_size": 14}}
  """
