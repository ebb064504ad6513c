import Foundation
import TestSupport
import Testing

/// The README's memory table beside `tempflow plan` for a folder of configurations without weights.
@Suite struct MemoryTableTests {
  private struct Plan: Decodable {
    struct Memory: Decodable {
      let phases: [String: [String: Double]]
    }
    /// See `StorageFit`.
    struct Fit: Decodable {
      struct MicroBatches: Decodable, Equatable { let sampling, optimizer: Int }
      let quantize_base, offload: String
      let height, host_bytes: Int
      let micro_batch: MicroBatches?
      let flops_per_epoch: Double
    }
    let memory: Memory
    let prompt_cache_bytes: Int
    let transformer_flops: Double
    let fits: [Fit]
    struct Processes: Decodable { let efficiency, slowest_flops: Double }
    let processes: Processes?
  }

  /// Operations per second of the pages' hours.
  private static let rate = 260e12

  @Test(arguments: ["README.md", "docs/flux.md", "docs/editing.md", "docs/qwen-image.md"])
  func `the memory tables are what plan computes`(page: String) throws {
    let table = try #require(try Page(page).tables.first { $0.header.first == "phase" })
    #expect(table.rows.count == 5)
    try withTemporaryFolder { folder in
      try writeAll(folder)
      for column in 1..<table.header.count {
        let name = try #require(table.header[column].firstMatch(of: /\[([^\]]+)\]/)?.output.1)
        let phases = try plan("\(folder)/Recipes/\(name).yaml").memory.phases
        #expect(Set(phases.keys) == Set(table.rows.map { $0[0] }))
        for row in table.rows {
          let planned = (phases[row[0]] ?? [:]).values.reduce(0, +) / 1e9
          let written = try #require(Double(row[column]))
          #expect(abs(planned - written) < 0.051, "\(name), \(row[0]): \(planned)")
        }
      }
    }
  }

  @Test(arguments: [
    ("docs/flux.md", "flux.1-dev-fast"), ("docs/flux.md", "flux.1-dev-pickscore"),
    ("docs/editing.md", "flux.1-kontext-editscore"),
  ])
  func `the hours of a run are what plan computes`(page: String, recipe: String) throws {
    try withTemporaryFolder { folder in
      try writeAll(folder)
      let flops = try plan("\(folder)/Recipes/\(recipe).yaml").transformer_flops
      let hours = Int((flops / Self.rate / 3600).rounded())
      let text = hours < 1000 ? "\(hours)" : "\(hours / 1000),\(String("\(hours)".suffix(3)))"
      let written = try Page(page).text
      #expect(
        written.contains("takes \(text) GPU-hours") || written.contains("\(text) in \(recipe)"),
        "\(recipe): \(text)")
    }
  }

  @Test func `the table of hosts is what plan computes`() throws {
    let table = try #require(
      try Page("docs/scaling.md").tables.first { $0.header.contains("hosts") })
    #expect(table.rows.count == 9)
    try withTemporaryFolder { folder in
      try writeAll(folder)
      var recipe = ""
      for row in table.rows {
        if let name = row[0].firstMatch(of: /\[([^\]]+)\]/) { recipe = String(name.output.1) }
        let hosts = try #require(Int(row[1]))
        let plan = try plan(
          "\(folder)/Recipes/\(recipe).yaml", ["optimizer.micro_batch=\(row[2])"],
          "--processes \(8 * hosts) --hosts \(hosts)")
        let processes = try #require(plan.processes)
        let hours = String(format: "%.1f", processes.slowest_flops / Self.rate / 3600)
        #expect(row[6] == hours, "\(recipe), \(hosts) hosts")
        let percent = try #require(Double(row[5].split(separator: " ")[0]))
        #expect(abs(100 * processes.efficiency - percent) < 0.051, "\(recipe), \(hosts) hosts")
      }
    }
  }

  @Test func `the table of cards is what plan computes`() throws {
    let page = try Page("README.md")
    let table = try #require(page.tables.first { $0.header.contains("card") })
    let costs = try #require(page.tables.first { $0.header.last?.hasPrefix("host memory") == true })
    let recipes = [
      "Stable Diffusion 3.5 Medium": "sd3.5-medium-24gb", "FLUX.1-dev": "flux.1-dev-24gb",
      "Qwen-Image": "qwen-image-24gb",
    ]
    #expect(table.rows.count == 12 && costs.rows.count == 3)
    try withTemporaryFolder { folder in
      try writeAll(folder)
      func fits(_ model: String, _ budget: String) throws -> [Plan.Fit] {
        let recipe = try #require(recipes[model])
        return try plan("\(folder)/Recipes/\(recipe).yaml", ["memory_budget=\(budget)"]).fits
      }
      for row in table.rows {
        let fits = try fits(row[0], row[1].replacing(" ", with: ""))
        #expect(fits.count == 18)
        for (offload, column) in [("none", 2), ("blocks", 3), ("none", 4), ("blocks", 5)] {
          let bases = column < 4 ? ["none"] : ["int8", "float8"]
          for base in bases {
            let own = fits.filter {
              $0.quantize_base == base && $0.offload == offload && $0.micro_batch != nil
            }
            let best = own.max { $0.height < $1.height }
            let text = best.flatMap { fit in
              fit.micro_batch.map { "\(fit.height): \($0.sampling) / \($0.optimizer)" }
            }
            #expect(row[column] == text ?? "no", "\(row[0]), \(row[1]), \(base), \(offload)")
          }
        }
      }
      for row in costs.rows {
        let fits = try fits(row[0], "80GB")
        let hours = fits.filter { $0.quantize_base == "none" && $0.offload == "none" }
          .map { String(format: "%.1f", $0.flops_per_epoch / Self.rate / 3600) }
        #expect(row[1] == hours.joined(separator: ", "))
        let host = ["none", "int8"].compactMap { base in
          fits.first { $0.quantize_base == base && $0.offload == "blocks" }
            .map { String(format: "%.1f GB", Double($0.host_bytes) / 1e9) }
        }
        #expect(row[2] == host.joined(separator: ", "))
      }
    }
  }

  /// 300 epochs of 48 prompts: 14,400 of 1.4 MB each, CLIP's 77 rows of 2,048 numbers, T5's 128 of
  /// 4,096 and the pooled vector of 2,048 in bfloat16.
  @Test func `the prompt cache of 300 epochs of Stable Diffusion 3.5 takes 20 GB`() throws {
    try withTemporaryFolder { folder in
      try writeConfigurations("\(folder)/Models/stable-diffusion-3.5-medium")
      try FileManager.default.copyItem(
        atPath: repositoryFolder() + "/Recipes", toPath: folder + "/Recipes")
      try writePrompts("\(folder)/Prompts/pickscore", count: 20_000)
      let plan = try plan(
        "\(folder)/Recipes/sd3.5-medium-pickscore.yaml",
        ["epochs=300", "prompts.per_epoch=48", "evaluation.prompts=100", "max_sequence_length=128"])
      let bytes = 2 * (77 * 2048 + 128 * 4096 + 2048)
      #expect(plan.prompt_cache_bytes == (300 * 48 + 100 + 1) * bytes)
      #expect(plan.prompt_cache_bytes / 1_000_000_000 == 19)
    }
  }

  /// The recipes, prompts for them, and configurations of the published models.
  private func writeAll(_ folder: String) throws {
    try writeConfigurations("\(folder)/Models/stable-diffusion-3.5-medium")
    for (name, model) in [
      ("FLUX.1-dev", "flux-dev/model"), ("FLUX.1-Kontext-dev", "flux-kontext/model"),
    ] {
      try writeFluxConfigurations("\(folder)/Models/\(name)", tiny: fixture(model))
    }
    try writeQwenConfigurations("\(folder)/Models/Qwen-Image")
    try FileManager.default.copyItem(
      atPath: repositoryFolder() + "/Recipes", toPath: folder + "/Recipes")
    try writePrompts("\(folder)/Prompts/pickscore")
    try writeEdits("\(folder)/Prompts/edits")
  }

  private func plan(
    _ recipe: String, _ settings: [String] = [], _ options: String = ""
  ) throws -> Plan {
    let sets = settings.map { " --set '\($0)'" }.joined()
    let command = "'\(builtProduct("tempflow"))' plan '\(recipe)' --json\(sets) \(options)"
    let run = try ProgramRun("/usr/bin/env", ["bash", "-c", "\(command) 2>/dev/null"])
    return try JSONDecoder().decode(Plan.self, from: Data(run.output.utf8))
  }

  private func writePrompts(_ folder: String, count: Int = 500) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let text = (1...count).map { "prompt \($0)\n" }.joined()
    for name in ["train.txt", "test.txt"] {
      try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
    }
  }

  private func writeEdits(_ folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let text = (1...500).map { "{\"prompt\": \"edit \($0)\", \"image\": \"a.png\"}\n" }.joined()
    try Data().write(to: URL(filePath: "\(folder)/a.png"))
    for name in ["train.jsonl", "test.jsonl"] {
      try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
    }
  }

  /// The published model's configurations; the text encoders have the tiny folder's with the
  /// published sizes.
  private func writeConfigurations(_ folder: String) throws {
    let tiny = fixture("pipeline/model-t5")
    try write("\(tiny)/model_index.json", to: "\(folder)/model_index.json")
    try write(
      "\(tiny)/scheduler/scheduler_config.json", to: "\(folder)/scheduler/scheduler_config.json")
    try write(
      fixture("manifests/sd35-medium-transformer.json"), to: "\(folder)/transformer/config.json")
    try write(fixture("manifests/sd3-vae.json"), to: "\(folder)/vae/config.json")
    let clip = ["vocab_size": 49408, "max_position_embeddings": 77]
    try write(
      "\(tiny)/text_encoder/config.json", to: "\(folder)/text_encoder/config.json",
      clip.merging([
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "projection_dim": 768,
      ]) { $1 })
    try write(
      "\(tiny)/text_encoder_2/config.json", to: "\(folder)/text_encoder_2/config.json",
      clip.merging([
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
        "num_attention_heads": 20, "projection_dim": 1280,
      ]) { $1 })
    try write(
      "\(tiny)/text_encoder_3/config.json", to: "\(folder)/text_encoder_3/config.json",
      t5Sizes)
  }

  /// The published configurations of FLUX.1-dev, which FLUX.1-Kontext-dev has as well.
  ///
  /// - Parameter tiny: the fixture with the index of its class.
  private func writeFluxConfigurations(_ folder: String, tiny: String) throws {
    for file in ["model_index.json", "scheduler/scheduler_config.json"] {
      try write("\(tiny)/\(file)", to: "\(folder)/\(file)")
    }
    try write(
      fixture("manifests/flux-dev-transformer.json"), to: "\(folder)/transformer/config.json")
    try write(fixture("manifests/flux-vae.json"), to: "\(folder)/vae/config.json")
    try write(
      "\(tiny)/text_encoder/config.json", to: "\(folder)/text_encoder/config.json",
      [
        "vocab_size": 49408, "max_position_embeddings": 77, "hidden_size": 768,
        "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
      ])
    try write(
      "\(tiny)/text_encoder_2/config.json", to: "\(folder)/text_encoder_2/config.json",
      t5Sizes)
  }

  /// The published configurations of Qwen-Image; the text encoder has those of Qwen2.5-VL-7B.
  private func writeQwenConfigurations(_ folder: String) throws {
    let tiny = fixture("qwen-image-pipeline/model")
    for file in ["model_index.json", "scheduler/scheduler_config.json"] {
      try write("\(tiny)/\(file)", to: "\(folder)/\(file)")
    }
    try write(
      fixture("manifests/qwen-image-transformer.json"), to: "\(folder)/transformer/config.json")
    try write(fixture("manifests/qwen-image-vae.json"), to: "\(folder)/vae/config.json")
    let text: [String: Any] = [
      "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl",
      "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28,
      "num_hidden_layers": 28, "num_key_value_heads": 4, "vocab_size": 152_064,
      "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0, "hidden_act": "silu",
      "rope_scaling": ["type": "mrope", "mrope_section": [16, 24, 24]] as [String: Any],
      "use_sliding_window": false,
    ]
    try write(text, to: "\(folder)/text_encoder/config.json")
  }

  private func write(_ source: String, to target: String, _ changes: [String: Int] = [:]) throws {
    let data = try Data(contentsOf: URL(filePath: source))
    var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    object.merge(changes) { $1 }
    try write(object, to: target)
  }

  private func write(_ object: [String: Any], to target: String) throws {
    let url = URL(filePath: target)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try JSONSerialization.data(withJSONObject: object).write(to: url)
  }
}

/// The sizes of T5-XXL's encoder.
private let t5Sizes = [
  "d_ff": 10240, "d_kv": 64, "d_model": 4096, "num_heads": 64, "num_layers": 24,
  "vocab_size": 32128, "relative_attention_num_buckets": 32,
  "relative_attention_max_distance": 128,
]
