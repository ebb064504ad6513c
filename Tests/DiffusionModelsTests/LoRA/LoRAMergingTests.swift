import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct LoRAMergingTests {
  private let model = fixture("pipeline/model")
  private let weights = "transformer/diffusion_pytorch_model.safetensors"

  @Test func `a merged model has the same sample as the model with adapters`() throws {
    let lora = try LoRA(path: fixture("pipeline/lora"))
    let adapted = try StableDiffusion3Pipeline(
      folder: model, transformer: try lora.learningSetup(model: model))
    try withTemporaryFolder { folder in
      try lora.merge(model: model, to: "\(folder)/merged")
      let merged = try StableDiffusion3Pipeline(folder: "\(folder)/merged")
      let noise = Tensor.randn(merged.latentShape(count: 1), generator: Generator(seed: 4))
      let samples = [merged, adapted].map {
        $0.sample(from: noise, prompts: ["a red circle"], guidanceScale: 3, stepCount: 5)
      }
      #expect(relativeError(samples[0], samples[1]) < 1e-4)
      let names = try FileManager.default.subpathsOfDirectory(atPath: "\(folder)/merged")
      let originals = try FileManager.default.subpathsOfDirectory(atPath: model)
      #expect(names.sorted() == originals.sorted())
    }
  }

  /// Adapters of one layer of the fixture's model.
  private func adapter(filledWith value: Double) throws -> [(String, Tensor)] {
    let layer = "transformer_blocks.0.attn.to_q"
    let lora = try LoRA(path: fixture("pipeline/lora"))
    return try ["lora_A", "lora_B"].map { kind in
      let shape = try #require(lora.tensors["\(layer).\(kind).weight"]).shape
      return ("transformer.\(layer).\(kind).weight", Tensor.full(shape, value))
    }
  }

  @Test func `adapters or weights that are not finite are not merged and nothing is written`()
    throws
  {
    try withTemporaryFolder { folder in
      let path = "\(folder)/lora.safetensors"
      // Finite in the file; the product with B exceeds float32.
      try Safetensors.write(adapter(filledWith: 1e30), to: path)
      let error = #expect(throws: PipelineError.self) {
        try LoRA(path: path).merge(model: model, to: "\(folder)/merged")
      }
      let text = error?.description ?? ""
      #expect(text.contains("merged") && text.contains("0.attn.to_q.weight' holds NaN"), "\(text)")

      let copy = "\(folder)/model"
      try FileManager.default.copyItem(atPath: model, toPath: copy)
      let weights = "\(copy)/\(self.weights)"
      let name = "transformer_blocks.1.ff.net.2.bias"
      var tensors = try WeightsFile(path: weights).tensors.mapValues { $0.clone() }
      tensors[name] = try #require(tensors[name]) * Double.nan
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: weights)
      try Safetensors.write(adapter(filledWith: 1), to: path)
      let broken = #expect(throws: PipelineError.self) {
        try LoRA(path: path).merge(model: copy, to: "\(folder)/merged")
      }
      let reason = broken?.description ?? ""
      #expect(reason.contains(weights) && reason.contains("'\(name)' holds NaN"), "\(reason)")
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/merged"))
    }
  }

  @Test func `shards in bfloat16 merge into one file in bfloat16, computed in float32`() throws {
    let lora = try LoRA(path: fixture("pipeline/lora"))
    try withTemporaryFolder { folder in
      let copy = "\(folder)/model"
      try FileManager.default.copyItem(atPath: model, toPath: copy)
      let tensors = try shard("\(copy)/transformer")
      try lora.merge(model: copy, to: "\(folder)/merged")
      let merged = try WeightsFile(path: "\(folder)/merged/\(weights)").tensors
      #expect(merged.keys.sorted() == tensors.keys.sorted())
      #expect(merged.values.allSatisfy { $0.dtype == .bfloat16 })
      let path = "transformer_blocks.0.attn.to_q"
      let (down, up) = (
        lora.tensors["\(path).lora_A.weight"], lora.tensors["\(path).lora_B.weight"]
      )
      let update = try #require(up).matmul(try #require(down)) * lora.config.scale
      let expected = (try #require(tensors["\(path).weight"]).to(.float32) + update).to(.bfloat16)
      let found = try #require(merged["\(path).weight"])
      // The order of two additions may change the last bit.
      #expect(relativeError(found.to(.float32), expected.to(.float32)) < 1e-3)
      #expect(
        largestDifference(
          try #require(merged["proj_out.weight"]), try #require(tensors["proj_out.weight"])) == 0)
    }
  }

  @Test func `a merge into weights of 8 bits is refused`() throws {
    let lora = try LoRA(path: fixture("pipeline/lora"))
    try withTemporaryFolder { folder in
      let copy = "\(folder)/model"
      try FileManager.default.copyItem(atPath: model, toPath: copy)
      let file = "\(copy)/\(weights)"
      let tensors = try WeightsFile(path: file).tensors.mapValues { $0.to(.float8E4M3).clone() }
      try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: file)
      let error = #expect(throws: PipelineError.self) {
        try lora.merge(model: copy, to: "\(folder)/merged")
      }
      guard case .parameters(.eightBit) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
    }
  }

  @Test func `a merge refuses its own model as target and leaves no files after an error`() throws {
    let lora = try LoRA(path: fixture("pipeline/lora"))
    #expect(throws: PipelineError.exists(path: model)) { try lora.merge(model: model, to: model) }
    let error = #expect(throws: PipelineError.self) {
      try lora.merge(model: model, to: model, replacing: true)
    }
    #expect(error.map { "\($0)".contains("the model itself") } == true)
    try withTemporaryFolder { folder in
      let target = "\(folder)/merged"
      let foreign = try LoRA(path: fixture("lora/bare.safetensors"))
      #expect(throws: PipelineError.self) { try foreign.merge(model: model, to: target) }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.isEmpty)
    }
  }

  /// Replaces a component's weights with two shards in bfloat16 and their index; returns them.
  private func shard(_ folder: String) throws -> [String: Tensor] {
    let name = "diffusion_pytorch_model"
    let file = "\(folder)/\(name).safetensors"
    let tensors = try WeightsFile(path: file).tensors.mapValues { $0.to(.bfloat16).clone() }
    try FileManager.default.removeItem(atPath: file)
    let keys = tensors.keys.sorted()
    var map: [String: String] = [:]
    for (index, part) in [keys.prefix(10), keys.dropFirst(10)].enumerated() {
      let shard = "\(name)-0000\(index + 1)-of-00002.safetensors"
      try Safetensors.write(part.map { ($0, tensors[$0]!) }, to: "\(folder)/\(shard)")
      for key in part { map[key] = shard }
    }
    let index: [String: Any] = ["metadata": ["total_size": 1], "weight_map": map]
    try JSONSerialization.data(withJSONObject: index)
      .write(to: URL(fileURLWithPath: "\(file).index.json"))
    return tensors
  }
}
