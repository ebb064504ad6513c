import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// LoRA files of Qwen-Image against diffusers' loader and converter, written by
/// `python Tools/fixtures/qwen_image_lora.py` for the transformer `qwen-image/wide`.
@Suite struct QwenImageLoRATests {
  private let cases: [String: Tensor]
  private let folder = fixture("qwen-image-lora")

  init() throws {
    cases = try WeightsFile(path: fixture("qwen-image-lora/cases.safetensors")).tensors
  }

  private func velocity(_ lora: LoRA?) throws -> Tensor {
    func given(_ name: String) throws -> Tensor { try #require(cases[name]) }
    let model = fixture("qwen-image/wide")
    let adapters = lora.map {
      (config: $0.config, source: ParameterSource.checkpoint($0.tensors, origin: $0.origin))
    }
    let store = ParameterStore(
      .checkpoint(try WeightsFile.open(folder: model, baseName: "diffusion_pytorch_model")),
      adapters: adapters)
    let network = try QwenImageTransformer2DModel(
      try QwenImageTransformerConfiguration(contentsOf: "\(model)/config.json"), store.root)
    try store.finish()
    let lengths = try given("mask").to(.float32).sum(dims: [1]).ints()
    return try withoutGradient {
      network(
        try given("latents"), sigma: try given("timestep") / 1000,
        embeddings: QwenImageConditioning(rows: try given("rows"), lengths: lengths))
    }
  }

  @Test(arguments: [
    ("peft", "peft"), ("diffusers.safetensors", "diffusers"), ("kohya.safetensors", "kohya"),
    ("kohya-outside.safetensors", "kohya-outside"), ("comfyui.safetensors", "comfyui"),
    ("ai-toolkit.safetensors", "ai-toolkit"), ("lightning.safetensors", "lightning"),
    ("diffsynth.safetensors", "diffsynth"),
  ])
  func `a file of every layout gives diffusers' velocity`(file: String, name: String) throws {
    let lora = try LoRA(path: "\(folder)/\(file)")
    let expected = try #require(cases["velocity.\(name)"])
    #expect(relativeError(try velocity(lora), expected) < 1e-5)
    #expect(relativeError(try velocity(nil), try #require(cases["velocity.plain"])) < 1e-5)
    #expect(relativeError(expected, try #require(cases["velocity.plain"])) > 1e-3)
  }

  @Test func `kohya's file equals the one that diffusers' converter was given`() throws {
    var lora = try LoRA(path: "\(folder)/peft")
    lora.record.modelClass = "QwenImagePipeline"
    let given = try WeightsFile(path: "\(folder)/kohya.safetensors").tensors
    try withTemporaryFolder { folder in
      let path = "\(folder)/kohya.safetensors"
      try lora.write(.kohya, to: path)
      let written = try WeightsFile(path: path).tensors
      #expect(Set(written.keys) == Set(given.keys))
      for (key, tensor) in given {
        #expect(largestDifference(try #require(written[key]), tensor.to(.float32)) < 1e-6, "\(key)")
      }
    }
  }

  @Test(
    arguments: [LoRA.Format.peft, .diffusers, .kohya],
    ["peft", "kohya.safetensors", "comfyui.safetensors"])
  func `a written file is read back with the same velocity`(
    format: LoRA.Format, file: String
  ) throws {
    var lora = try LoRA(path: "\(folder)/\(file)")
    lora.record.modelClass = "QwenImagePipeline"
    let expected = try velocity(lora)
    try withTemporaryFolder { folder in
      let path = format == .peft ? "\(folder)/lora" : "\(folder)/lora.safetensors"
      try lora.write(format, to: path)
      let read = try LoRA(path: path)
      #expect(relativeError(try velocity(read), expected) < 1e-6)
      #expect(read.paths == lora.paths)
    }
  }

  @Test func `every linear layer has a place in kohya's layout`() throws {
    let layers = try LinearLayers(
      folder: fixture("qwen-image-pipeline/model"), QwenImageTransformer2DModel.init)
    let generator = Generator(seed: 5)
    var tensors: [String: Tensor] = [:]
    for (path, shape) in layers.shapes {
      tensors["\(path).lora_A.weight"] = Tensor.randn([2, shape[1]], generator: generator)
      tensors["\(path).lora_B.weight"] = Tensor.randn([shape[0], 2], generator: generator)
    }
    let lora = LoRA(
      tensors, config: LoRAConfig(rank: 2, alpha: 4, layers: layers.paths), record: LoRARecord(),
      origin: "all layers")
    try withTemporaryFolder { folder in
      try lora.write(.kohya, to: "\(folder)/lora.safetensors")
      let read = try LoRA(path: "\(folder)/lora.safetensors")
      #expect(read.paths == lora.paths)
      #expect(read.record.modelClass == "QwenImagePipeline")
      for (name, tensor) in tensors {
        #expect(largestDifference(try #require(read.tensors[name]), tensor) == 0, "\(name)")
      }
    }
  }
}
