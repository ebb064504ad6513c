import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// LoRA files of FLUX.1 against diffusers' loader and converter, written by
/// `python Tools/fixtures/flux_lora.py` for the transformer `models/flux-guided`.
@Suite struct FluxLoRATests {
  private let cases: [String: Tensor]
  private let folder = fixture("flux-lora")

  init() throws { cases = try WeightsFile(path: fixture("flux-lora/cases.safetensors")).tensors }

  private func velocity(_ lora: LoRA?) throws -> Tensor {
    func given(_ name: String) throws -> Tensor { try #require(cases[name]) }
    let model = fixture("models/flux-guided")
    let adapters = lora.map {
      (config: $0.config, source: ParameterSource.checkpoint($0.tensors, origin: $0.origin))
    }
    let store = ParameterStore(
      .checkpoint(try WeightsFile.open(folder: model, baseName: "diffusion_pytorch_model")),
      adapters: adapters)
    let network = try FluxTransformer2DModel(
      try FluxTransformerConfiguration(contentsOf: "\(model)/config.json"), store.root)
    try store.finish()
    return try withoutGradient {
      network(
        try given("latents"), timestep: try given("timestep"),
        guidance: try given("guidance").floats().first.map { Double($0) },
        embeddings: FluxConditioning(rows: try given("rows"), pooled: try given("pooled")))
    }
  }

  @Test(arguments: [
    ("peft", "peft"), ("diffusers.safetensors", "diffusers"),
    ("kohya-split.safetensors", "kohya-split"), ("kohya.safetensors", "kohya"),
    ("kohya-outside.safetensors", "kohya-outside"),
  ])
  func `a file of every layout gives diffusers' velocity`(file: String, name: String) throws {
    let lora = try LoRA(path: "\(folder)/\(file)")
    let expected = try #require(cases["velocity.\(name)"])
    #expect(relativeError(try velocity(lora), expected) < 1e-5)
    #expect(relativeError(try velocity(nil), try #require(cases["velocity.plain"])) < 1e-5)
    #expect(relativeError(expected, try #require(cases["velocity.plain"])) > 1e-3)
  }

  @Test func `kohya's file equals the one that diffusers' converter was given`() throws {
    let lora = try LoRA(path: "\(folder)/peft")
    let given = try WeightsFile(path: "\(folder)/kohya-split.safetensors").tensors
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

  @Test(arguments: [LoRA.Format.peft, .diffusers, .kohya], ["peft", "kohya.safetensors"])
  func `a written file is read back with the same velocity`(
    format: LoRA.Format, file: String
  ) throws {
    let lora = try LoRA(path: "\(folder)/\(file)")
    let expected = try velocity(lora)
    try withTemporaryFolder { folder in
      let path = format == .peft ? "\(folder)/lora" : "\(folder)/lora.safetensors"
      try lora.write(format, to: path)
      let read = try LoRA(path: path)
      #expect(relativeError(try velocity(read), expected) < 1e-6)
      #expect(read.paths == lora.paths)
    }
  }

  @Test func `layers that several families name need the model's class, which decides the names`()
    throws
  {
    let path = "transformer_blocks.0.ff.net.2"
    var lora = LoRA(
      [
        "\(path).lora_A.weight": Tensor.ones([2, 8]), "\(path).lora_B.weight": Tensor.ones([4, 2]),
      ], config: LoRAConfig(rank: 2, alpha: 2, layers: [path]), record: LoRARecord(),
      origin: "adapters")
    try withTemporaryFolder { folder in
      let file = "\(folder)/lora.safetensors"
      let error = #expect(throws: PipelineError.self) { try lora.write(.kohya, to: file) }
      #expect("\(try #require(error))".contains("--model"))
      for (name, layer) in [
        ("FluxPipeline", "double_blocks_0_img_mlp_2"),
        ("FluxKontextPipeline", "double_blocks_0_img_mlp_2"),
        ("StableDiffusion3Pipeline", "joint_blocks_0_x_block_mlp_fc2"),
      ] {
        lora.record.modelClass = name
        try lora.write(.kohya, to: file, replacing: true)
        let keys = try WeightsFile(path: file).tensors.keys
        #expect(keys.contains("lora_unet_\(layer).lora_up.weight"), "\(keys)")
        #expect(try LoRA(path: file).record.modelClass == name)
      }
    }
  }

  @Test func `every linear layer has a place in kohya's layout`() throws {
    let layers = try LinearLayers(
      folder: fixture("flux-dev/model"), FluxTransformer2DModel.init)
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
      for (name, tensor) in tensors {
        #expect(largestDifference(try #require(read.tensors[name]), tensor) == 0, "\(name)")
      }
    }
  }
}
