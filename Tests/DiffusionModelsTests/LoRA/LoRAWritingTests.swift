import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct LoRAWritingTests {
  private let record = LoRARecord(
    baseModel: "org/model", modelClass: "StableDiffusion3Pipeline", recipe: "shapes", epoch: 12,
    updates: 48, rewards: ["shapes", "ocr"], imageSize: ImageSize(height: 64, width: 48),
    maxSequenceLength: 77, software: "TempFlow 1")

  @Test(arguments: LoRA.Format.allCases)
  func `a written file is read back with velocity, rank, alpha, layers and record`(
    format: LoRA.Format
  ) throws {
    let given = try LoRACase()
    var lora = try LoRA(path: fixture("lora/diffusers.safetensors"))
    lora.record = record
    try withTemporaryFolder { folder in
      let path = "\(folder)/below/lora.safetensors"
      try lora.write(format, to: path)
      let read = try LoRA(path: path)
      #expect(read.config.rank == lora.config.rank)
      #expect(read.config.alpha == lora.config.alpha)
      #expect(read.paths == lora.paths)
      #expect(read.record == record)
      #expect(relativeError(try given.velocity(read), try given["velocity.diffusers"]) < 1e-5)
    }
  }

  @Test(arguments: LoRA.Format.allCases)
  func `layers of every kind survive every layout`(format: LoRA.Format) throws {
    let given = try LoRACase()
    let lora = try LoRA(path: fixture("lora/kohya.safetensors"))
    try withTemporaryFolder { folder in
      try lora.write(format, to: "\(folder)/lora.safetensors")
      let read = try LoRA(path: "\(folder)/lora.safetensors")
      #expect(read.paths == lora.paths)
      #expect(read.config.rank == 3)
      #expect(relativeError(try given.velocity(read), try given["velocity.kohya"]) < 1e-5)
    }
  }

  @Test func `PEFT's folder holds the tensors unchanged, and diffusers' settings in the header`()
    throws
  {
    let source = fixture("pipeline/lora")
    try withTemporaryFolder { folder in
      let target = "\(folder)/peft"
      try LoRA(path: source).write(.peft, to: target)
      let file = try WeightsFile(path: "\(target)/adapter_model.safetensors")
      let header = try #require(file.metadata["lora_adapter_metadata"])
      #expect(header.contains("\"base_model.model.lora_alpha\" : 6"))
      // diffusers of 2025 copies both before it looks.
      for name in ["rank_pattern", "alpha_pattern"] {
        #expect(header.contains("\"base_model.model.\(name)\" : {"), "\(header)")
      }
      let original = try WeightsFile(path: "\(source)/adapter_model.safetensors").tensors
      #expect(file.tensors.keys.sorted() == original.keys.sorted())
      for (key, tensor) in file.tensors {
        #expect(largestDifference(tensor, try #require(original[key])) == 0, "\(key)")
      }
      let config = try LoRA(path: target).config
      #expect(Set(config.targets) == ["attn.to_q", "attn.to_out.0", "attn.add_v_proj", "ff.net.2"])
    }
  }

  @Test func `kohya's file joins queries, keys and values, and keeps the scale`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/kohya.safetensors"
      var lora = try LoRA(path: fixture("lora/diffusers.safetensors"))
      lora.record.modelClass = "StableDiffusion3Pipeline"
      try lora.write(.kohya, to: path)
      let tensors = try WeightsFile(path: path).tensors
      let layer = "lora_unet_joint_blocks_0_x_block_attn_qkv"
      #expect(tensors["\(layer).lora_down.weight"]?.shape == [6, 16])
      #expect(tensors["\(layer).lora_up.weight"]?.shape == [48, 6])
      #expect(tensors["\(layer).alpha"]?.item() == 18)
      #expect(tensors["lora_unet_joint_blocks_1_x_block_mlp_fc1.alpha"]?.item() == 6)
    }
  }

  @Test func `a folder of other things is never replaced`() throws {
    let lora = try LoRA(path: fixture("lora/bare.safetensors"))
    try withTemporaryFolder { folder in
      let other = "\(folder)/loras"
      try FileManager.default.createDirectory(
        atPath: other, withIntermediateDirectories: true)
      try lora.write(.peft, to: other, replacing: true)
      let kept = "\(folder)/kept"
      try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
      try Data([1]).write(to: URL(filePath: "\(kept)/style.safetensors"))
      let error = #expect(throws: PipelineError.self) {
        try lora.write(.peft, to: kept, replacing: true)
      }
      #expect(error?.description.contains("which would be lost") == true)
      #expect(try FileManager.default.contentsOfDirectory(atPath: kept) == ["style.safetensors"])
      let model = fixture("pipeline/model")
      let fitting = try LoRA(path: fixture("pipeline/lora"))
      #expect(throws: PipelineError.self) {
        try fitting.merge(model: model, to: kept, replacing: true)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: kept) == ["style.safetensors"])
    }
  }

  @Test func `existing files are replaced only on request`() throws {
    var lora = try LoRA(path: fixture("lora/bare.safetensors"))
    lora.record.modelClass = "StableDiffusion3Pipeline"
    try withTemporaryFolder { folder in
      for format in LoRA.Format.allCases {
        let path = "\(folder)/\(format)"
        try lora.write(format, to: path)
        #expect(throws: PipelineError.exists(path: path)) { try lora.write(format, to: path) }
        try lora.write(format, to: path, replacing: true)
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.sorted() == ["diffusers", "kohya", "peft"])
    }
  }

  @Test func `a model is named by its repository, or by its folder`() {
    let cached = "/cache/hub/models--stabilityai--stable-diffusion-3.5-medium/snapshots/b940f"
    #expect(
      LoRARecord.modelName(folder: cached) == "stabilityai/stable-diffusion-3.5-medium")
    #expect(LoRARecord.modelName(folder: "/data/Models/shapes/") == "shapes")
  }
}
