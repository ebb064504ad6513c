import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct LoRAReadingTests {
  @Test(arguments: ["diffusers", "bare", "kohya"])
  func `the velocity with a file equals diffusers'`(name: String) throws {
    let given = try LoRACase()
    let lora = try LoRA(path: fixture("lora/\(name).safetensors"))
    let velocity = try given.velocity(lora)
    #expect(relativeError(velocity, try given["velocity.\(name)"]) < velocityTolerance)
    #expect(relativeError(velocity, try given["velocity.plain"]) > 0.01)
  }

  @Test func `an untrained joint layer is read like the others of its file`() throws {
    let given = try LoRACase()
    let layer = "lora_unet_joint_blocks_0_x_block_attn_qkv"
    var tensors = try WeightsFile(path: fixture("lora/kohya.safetensors")).tensors
    let up = try #require(tensors["\(layer).lora_up.weight"])
    tensors["\(layer).lora_up.weight"] = Tensor.zeros(like: up)
    // Its rank may equal that of three joined adapters of rank 1 or 4.
    for repeats in [1, 4] {
      var wide = tensors
      for (key, tensor) in tensors {
        // Four times the rank at a quarter of the scale makes the same update.
        if key.hasSuffix(".lora_down.weight") {
          wide[key] = Tensor.cat([Tensor](repeating: tensor, count: repeats), dim: 0)
        } else if key.hasSuffix(".lora_up.weight") {
          wide[key] = Tensor.cat([Tensor](repeating: tensor, count: repeats), dim: 1)
        }
      }
      try withLoRA(wide) { path in
        let lora = try LoRA(path: path)
        #expect(lora.config.rank == 3 * repeats && lora.config.alpha == 2)
        let velocity = try given.velocity(lora)
        #expect(relativeError(velocity, try given["velocity.untrained"]) < velocityTolerance)
      }
    }
    // Without a trained layer, no rank is split.
    try withLoRA(tensors.filter { $0.key.hasPrefix(layer) }) { path in
      let lora = try LoRA(path: path)
      #expect(lora.config.rank == 3 && lora.config.alpha == 2 && lora.paths.count == 3)
    }
  }

  @Test func `untrained adapters survive kohya's layout`() throws {
    var lora = try LoRA(path: fixture("lora/diffusers.safetensors"))
    lora.record.modelClass = "StableDiffusion3Pipeline"
    let fresh = LoRA(
      Dictionary(
        uniqueKeysWithValues: lora.tensors.map {
          ($0.key, $0.key.hasSuffix(".lora_B.weight") ? Tensor.zeros(like: $0.value) : $0.value)
        }), config: lora.config, record: lora.record, origin: "here")
    try withTemporaryFolder { folder in
      try fresh.write(.kohya, to: "\(folder)/lora.safetensors")
      let read = try LoRA(path: "\(folder)/lora.safetensors")
      #expect(read.config.rank == 2 && read.config.alpha == 6 && read.paths == lora.paths)
    }
  }

  /// The fixture in diffusers' layout with the names of other programs, and its alpha in one of
  /// their places.
  @Test(arguments: [
    "transformer.PATH.lora_A.default.weight", "base_model.model.PATH.lora_A.default.weight",
    "PATH.lora_A.weight", "PATH.lora_A.learner.weight", "transformer.PATH.lora_down.weight",
    "PATH.lora.down.weight",
  ])
  func `equivalent names of other programs are read`(pattern: String) throws {
    let given = try LoRACase()
    let source = try LoRA(path: fixture("lora/diffusers.safetensors"))
    let isPEFT = pattern.hasPrefix("base_model")
    var tensors: [String: Tensor] = [:]
    for path in source.paths {
      let key = pattern.replacing("PATH", with: path)
      tensors[key] = source.tensors["\(path).lora_A.weight"]
      let other = key.replacing("lora_A", with: "lora_B").replacing("down", with: "up")
      tensors[other] = source.tensors["\(path).lora_B.weight"]
      if !isPEFT {
        let prefix = pattern.hasPrefix("transformer.") ? "transformer." : ""
        tensors["\(prefix)\(path).alpha"] = Tensor.full([], 6)
      }
    }
    try withLoRA(tensors) { path in
      if isPEFT {
        let folder = URL(filePath: path).deletingLastPathComponent()
        let settings =
          #"{"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules": "all-linear"}"#
        try Data(settings.utf8).write(to: folder.appending(path: "adapter_config.json"))
      }
      let lora = try LoRA(path: path)
      #expect(lora.config.rank == 2 && lora.config.alpha == 6 && lora.paths == source.paths)
      let velocity = try given.velocity(lora)
      #expect(relativeError(velocity, try given["velocity.diffusers"]) < velocityTolerance)
    }
  }

  @Test func `another alpha of a layer in kohya's layout is a factor of its matrix`() throws {
    let names = [
      "lora_unet_joint_blocks_0_x_block_mlp_fc1", "lora_unet_joint_blocks_0_x_block_mlp_fc2",
    ]
    let tensors = names.enumerated().flatMap { index, name in
      [
        ("\(name).lora_down.weight", Tensor.ones([2, 4])),
        ("\(name).lora_up.weight", Tensor.ones([4, 2])),
        ("\(name).alpha", Tensor.full([], Double(index + 2))),
      ]
    }
    try withTemporaryFolder { folder in
      let path = "\(folder)/lora.safetensors"
      try Safetensors.write(tensors, to: path)
      let lora = try LoRA(path: path)
      #expect(lora.config.alpha == 2)
      let factors = ["net.0.proj", "net.2"].map { layer in
        lora.tensors["transformer_blocks.0.ff.\(layer).lora_B.weight"]?.floats()[0]
      }
      #expect(factors == [1, 1.5])
    }
  }

  @Test func `rank, alpha and layers are those of the file`() throws {
    let diffusers = try LoRA(path: fixture("lora/diffusers.safetensors"))
    #expect(diffusers.config.rank == 2 && diffusers.config.alpha == 6)
    #expect(diffusers.paths.count == 9)
    // Without settings the update is B A, unscaled.
    #expect(try LoRA(path: fixture("lora/bare.safetensors")).config.scale == 1)
    let kohya = try LoRA(path: fixture("lora/kohya.safetensors"))
    #expect(kohya.config.rank == 3 && kohya.config.alpha == 2)
    #expect(kohya.paths.contains("transformer_blocks.0.attn2.to_k"))
    #expect(kohya.record.baseModel == "sd3")
  }

  @Test func `layers selected by a regular expression are read from the tensors`() throws {
    try withChangedConfiguration(["target_modules": ".*to_q"]) { folder in
      let config = try LoRA(path: folder).config
      #expect(config.targets.contains("transformer_blocks.1.attn.to_out.0"))
      #expect(config.targets.count == 8)
    }
  }

  @Test(arguments: [
    ("use_dora", "true"), ("use_rslora", "true"), ("fan_in_fan_out", "true"),
    ("a_switch_of_tomorrow", "true"), ("rank_pattern", "{\"attn.to_q\": 8}"),
    ("alpha_pattern", "{\"attn.to_q\": 8}"), ("init_lora_weights", "\"pissa_niter_4\""),
    ("init_lora_weights", "\"olora\""), ("r", "1e19"),
  ])
  func `a switch that changes the result is refused`(key: String, json: String) throws {
    let value = try JSONSerialization.jsonObject(
      with: Data(json.utf8), options: .fragmentsAllowed)
    try withChangedConfiguration([key: value]) { folder in
      let error = #expect(throws: PipelineError.self) { try LoRA(path: folder) }
      guard case .unsupported(_, let found, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
      #expect(found == key)
    }
  }

  @Test(arguments: ["true", "false", "\"gaussian\"", "\"eva\""])
  func `an initialization that leaves the base as it is changes nothing`(json: String) throws {
    let value = try JSONSerialization.jsonObject(
      with: Data(json.utf8), options: .fragmentsAllowed)
    try withChangedConfiguration(["init_lora_weights": value]) { folder in
      let lora = try LoRA(path: folder)
      #expect(!lora.paths.isEmpty)
    }
  }

  @Test func `missing files and settings are named`() throws {
    let error = #expect(throws: PipelineError.self) { try LoRA(path: "/nowhere") }
    #expect(error.map { "\($0)".contains("/nowhere") } == true)
    try withTemporaryFolder { folder in
      let empty = #expect(throws: PipelineError.self) { try LoRA(path: folder) }
      let text = empty.map { "\($0)" } ?? ""
      #expect(text.contains(folder) && text.contains("adapter_config.json"))
    }
  }

  private func withLoRA(
    _ tensors: [String: Tensor], _ body: (String) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/lora.safetensors"
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: path)
      try body(path)
    }
  }

  private func withChangedConfiguration(
    _ changes: [String: Any], _ body: (String) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(
        atPath: fixture("pipeline/lora"), toPath: "\(folder)/lora")
      let url = URL(fileURLWithPath: "\(folder)/lora/adapter_config.json")
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
      try JSONSerialization.data(withJSONObject: object.merging(changes) { $1 }).write(to: url)
      try body("\(folder)/lora")
    }
  }
}
