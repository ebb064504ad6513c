import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// Damaged, foreign and alternative weights of a pipeline folder.
@Suite struct PipelineWeightsTests {
  private let transformer = "transformer/diffusion_pytorch_model.safetensors"

  @Test func `truncated weights are an error with file, tensor and remedy`() throws {
    try withCopy { folder in
      let path = "\(folder)/\(transformer)"
      let whole = try Data(contentsOf: URL(filePath: path))
      try whole.dropLast(100).write(to: URL(filePath: path))
      let text = try failure(folder)
      #expect(text.contains(path))
      #expect(text.contains("lie beyond the end of the file; copy or download the file again"))
    }
  }

  @Test func `a missing shard is an error with index, shard and one of its tensors`() throws {
    try withCopy { folder in
      try shard("\(folder)/transformer")
      #expect(throws: Never.self) { try StableDiffusion3Pipeline(folder: folder) }
      let shard = "diffusion_pytorch_model-00002-of-00002.safetensors"
      try FileManager.default.removeItem(atPath: "\(folder)/transformer/\(shard)")
      let text = try failure(folder)
      #expect(text.contains("transformer/diffusion_pytorch_model.safetensors.index.json"))
      #expect(text.contains("is in '\(shard)', which is missing"))
    }
  }

  @Test func `weights in float8 are refused`() throws {
    try withCopy { folder in
      let path = "\(folder)/\(transformer)"
      try rewrite(path) { $0.to(.float8E4M3) }
      let text = try failure(folder)
      #expect(text.contains(path))
      #expect(text.contains("use the model's bfloat16, float16 or float32 weights"))
    }
  }

  @Test(arguments: ["transformer", "vae", "text_encoder"])
  func `an unknown key of a component's configuration is refused`(component: String) throws {
    try withCopy { folder in
      let path = "\(folder)/\(component)/config.json"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let changed = text.replacing(
        "{", with: "{\n  \"use_dual_attention\": true,", maxReplacements: 1)
      try changed.write(toFile: path, atomically: true, encoding: .utf8)
      let message = try failure(folder)
      #expect(message.contains("\(path): unknown key 'use_dual_attention'"))
    }
  }

  @Test func `quantized weights are refused by their configuration`() throws {
    try withCopy { folder in
      let path = "\(folder)/transformer/config.json"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let changed = text.replacing(
        "{", with: "{\n  \"quantization_config\": {\"bits\": 4},", maxReplacements: 1)
      try changed.write(toFile: path, atomically: true, encoding: .utf8)
      #expect(try failure(folder).contains("quantized weights are not read"))
    }
  }

  @Test func `a folder with only pickled weights is refused with their name`() throws {
    try withCopy { folder in
      try FileManager.default.moveItem(
        atPath: "\(folder)/\(transformer)",
        toPath: "\(folder)/transformer/diffusion_pytorch_model.bin")
      #expect(try failure(folder).contains("'diffusion_pytorch_model.bin'"))
    }
  }

  @Test func `a variant is read where a component has it, and only on request`() throws {
    try withCopy { folder in
      #expect(try failure(folder, variant: "fp16").contains("no component has weights"))
      let variant = "\(folder)/transformer/diffusion_pytorch_model.fp16.safetensors"
      try FileManager.default.moveItem(atPath: "\(folder)/\(transformer)", toPath: variant)
      #expect(try failure(folder).contains("request it: variant fp16"))
      try rewrite(variant) { $0.to(.float16) }
      let pipeline = try StableDiffusion3Pipeline(folder: folder, Placement(variant: "fp16"))
      #expect(pipeline.transformer.store.weights.allSatisfy { $0.tensor.dtype == .float16 })
      #expect(pipeline.autoencoder.store.weights.allSatisfy { $0.tensor.dtype == .float32 })
    }
  }

  private func failure(_ folder: String, variant: String? = nil) throws -> String {
    let error = #expect(throws: PipelineError.self) {
      try StableDiffusion3Pipeline(folder: folder, Placement(variant: variant))
    }
    return try #require(error).description
  }

  private func withCopy(_ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(
        atPath: fixture("pipeline/model"), toPath: "\(folder)/model")
      try body("\(folder)/model")
    }
  }

  private func rewrite(_ path: String, _ change: (Tensor) -> Tensor) throws {
    let tensors = try WeightsFile(path: path).tensors
    try Safetensors.write(tensors.map { ($0.key, change($0.value)) }, to: path)
  }

  /// Replaces the weights of a component with two shards and their index.
  private func shard(_ component: String) throws {
    let name = "diffusion_pytorch_model"
    let whole = "\(component)/\(name).safetensors"
    let tensors = try WeightsFile(path: whole).tensors.sorted { $0.key < $1.key }
    var weightMap: [String: String] = [:]
    for (number, part) in [tensors.prefix(7), tensors.dropFirst(7)].enumerated() {
      let file = "\(name)-0000\(number + 1)-of-00002.safetensors"
      try Safetensors.write(part.map { ($0.key, $0.value) }, to: "\(component)/\(file)")
      for (key, _) in part { weightMap[key] = file }
    }
    try JSONSerialization.data(withJSONObject: ["weight_map": weightMap])
      .write(to: URL(filePath: "\(component)/\(name).safetensors.index.json"))
    try FileManager.default.removeItem(atPath: whole)
  }
}
