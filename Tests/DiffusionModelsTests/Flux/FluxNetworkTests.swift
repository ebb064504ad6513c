import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct FluxNetworkTests {
  @Test(arguments: ["flux-guided", "flux-plain"])
  func `the transformer and its gradients equal diffusers'`(name: String) throws {
    try check(name, adapted: false)
  }

  @Test(arguments: ["flux-guided", "flux-plain"])
  func `the transformer's adapters equal peft's, with their gradients`(name: String) throws {
    try check(name, adapted: true)
  }

  private func check(_ name: String, adapted: Bool) throws {
    let given = try FluxCase(name, adapted: adapted)
    let (latents, rows, pooled) = (
      try given.case.leaf("latents"), try given.case.leaf("rows"), try given.case.leaf("pooled")
    )
    let velocity = try given.velocity(latents, FluxConditioning(rows: rows, pooled: pooled))
    try given.case.check(
      ["velocity": velocity], leaves: ["latents": latents, "rows": rows, "pooled": pooled],
      prefix: adapted ? "lora." : "")
  }

  @Test(arguments: ["clip-text-plain", "clip-text-plain-legacy"])
  func `the text encoder without projection and its gradients equal transformers'`(
    name: String
  ) throws {
    let given = try FixtureCase(name, CLIPTextModelConfiguration.self, weights: "model")
    let model = try CLIPTextModel(given.configuration, given.store.root)
    try given.store.finish()
    let prompts = try given["prompts"]
    let ids = (0..<prompts.shape[0]).map { prompts.selected(dim: 0, index: $0).ints() }
    try given.check(["pooled": model(ids).pooled])
  }

  /// As transformers from 5.6 on writes a model that it has not read from a file.
  @Test func `the text encoder may be at the root of its file`() throws {
    let name = "clip-text-plain"
    let given = try FixtureCase(name, CLIPTextModelConfiguration.self, weights: "model")
    let tensors = try WeightsFile.open(folder: fixture("models/\(name)"), baseName: "model").tensors
    let prefix = "text_model."
    #expect(tensors.keys.contains { $0.hasPrefix(prefix) })
    let flat = Dictionary(
      uniqueKeysWithValues: tensors.map { key, tensor in
        (key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : key, tensor)
      })
    let store = ParameterStore(.checkpoint(flat, origin: "here"))
    let model = try CLIPTextModel(given.configuration, store.root)
    try store.finish()
    let prompts = try given["prompts"]
    let ids = (0..<prompts.shape[0]).map { prompts.selected(dim: 0, index: $0).ints() }
    let pooled = withoutGradient { model(ids).pooled }
    #expect(relativeError(pooled, try given["pooled"]) < 1e-5)
  }

  @Test func `timestep and guidance are rounded in bfloat16 as in diffusers`() throws {
    let given = try WeightsFile(path: fixture("models/flux-rounding/case.safetensors")).tensors
    let timestep = fluxTimestep(try #require(given["timestep"]), .bfloat16).to(.float32)
    #expect(timestep.floats() == (try #require(given["timestep.rounded"])).floats())
    #expect(timestep.floats().contains(968))
    let scales = try #require(given["guidance"]).floats()
    let rounded = scales.map {
      fluxGuidance(Double($0), .bfloat16, device: .cpu).to(.float32).floats()[0]
    }
    #expect(rounded == (try #require(given["guidance.rounded"])).floats())
    #expect(rounded.contains(3504))
  }

  @Test(arguments: ["flux-guided", "flux-plain"])
  func `gradient checkpointing gives the same gradients`(name: String) throws {
    func gradients(_ checkpointing: GradientCheckpointing?) throws -> [Tensor] {
      let given = try FluxCase(name, adapted: true)
      let velocity = try given.velocity(
        try given.case["latents"], given.conditioning, checkpointing: checkpointing)
      velocity.backward(gradient: try given.case["cotangent.velocity"])
      checkpointing?.backward()
      return try given.case.store.trainable.map { try #require($0.tensor.gradient) }
    }
    // Modulations with adapters add the blocks' gradients of their input in another order.
    for (kept, recomputed) in zip(try gradients(nil), try gradients(GradientCheckpointing())) {
      #expect(relativeError(recomputed, kept) < 1e-6)
    }
  }

  @Test func `a sample is independent of the others in its batch`() throws {
    let given = try FluxCase("flux-guided")
    let error = try withoutGradient {
      let index = Tensor([2], shape: [1])
      let alone = given.model(
        try given.case["latents"].indexSelect(dim: 0, index),
        timestep: try given.case["timestep"].indexSelect(dim: 0, index), guidance: given.guidance,
        embeddings: given.conditioning.selecting([2]))
      let together = try given.velocity(try given.case["latents"], given.conditioning)
      return relativeError(alone, together.indexSelect(dim: 0, index))
    }
    #expect(error < 1e-5)
  }

  @Test func `a conditioning whose rows are embedded once gives the same velocity`() throws {
    let given = try FluxCase("flux-guided")
    given.case.store.freeze()
    let latents = try given.case["latents"]
    let once = given.model.embedded(given.conditioning)
    #expect(once.isEmbedded)
    let (each, shared) = try withoutGradient {
      (try given.velocity(latents, given.conditioning), try given.velocity(latents, once))
    }
    #expect(relativeError(shared, each) < 1e-6)
  }

  @Test(arguments: ["flux-guided", "flux-plain"])
  func `in bfloat16 the velocity stays close`(name: String) throws {
    let given = try FluxCase(name)
    let store = ParameterStore(
      .checkpoint(
        try WeightsFile.open(
          folder: fixture("models/\(name)"), baseName: "diffusion_pytorch_model")),
      dtype: .bfloat16)
    let model = try FluxTransformer2DModel(given.case.configuration, store.root)
    let velocity = try withoutGradient {
      model(
        try given.case["latents"].to(.bfloat16), timestep: try given.case["timestep"],
        guidance: given.guidance,
        embeddings: FluxConditioning(
          rows: try given.case["rows"].to(.bfloat16),
          pooled: try given.case["pooled"].to(.bfloat16)))
    }
    // Of diffusers in bfloat16: timestep and guidance are rounded before their waves, which moves
    // the velocity by up to 10 % from that in float32. 8 bits of mantissa: 0.4 % per rounding.
    #expect(relativeError(velocity.to(.float32), try given.case["bfloat16"]) < 0.03)
  }

  @Test func `the guidance scale changes the velocity of a network that has it as an input`() throws {
    let given = try FluxCase("flux-guided")
    let latents = try given.case["latents"]
    let (timestep, conditioning) = (try given.case["timestep"], given.conditioning)
    let velocities = withoutGradient {
      [1, 3.5].map {
        given.model(latents, timestep: timestep, guidance: $0, embeddings: conditioning)
      }
    }
    #expect(relativeError(velocities[0], velocities[1]) > 1e-3)
  }

  @Test(arguments: [
    (["in_channels": "6"], "in_channels"), (["patch_size": "2"], "patch_size"),
    (["axes_dims_rope": "[4, 6, 8]"], "axes_dims_rope"),
    (["axes_dims_rope": "[4, 12]"], "axes_dims_rope"),
    (["num_single_layers": "-1"], "num_single_layers"), (["out_channels": "8"], "out_channels"),
  ])
  func `a value without support is an error with its key`(
    values: [String: String], key: String
  ) throws {
    let all = ["in_channels": "16", "attention_head_dim": "16", "axes_dims_rope": "[4, 6, 6]"]
      .merging(values) { $1 }
    let text = "{" + all.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    let error = #expect(throws: ModelError.self) {
      try FluxTransformerConfiguration(json: Data(text.utf8), path: "config.json")
    }
    #expect("\(try #require(error))".contains(key))
  }
}

/// A transformer of the fixtures and its inputs.
struct FluxCase {
  let `case`: FixtureCase<FluxTransformerConfiguration>
  let model: FluxTransformer2DModel
  let guidance: Double?
  let conditioning: FluxConditioning

  init(_ name: String, adapted: Bool = false) throws {
    `case` = try FixtureCase(
      name, FluxTransformerConfiguration.self, weights: "diffusion_pytorch_model",
      adapted: adapted)
    model = try FluxTransformer2DModel(`case`.configuration, `case`.store.root)
    try `case`.store.finish()
    guidance = `case`.tensors["guidance"].map { $0.item() }
    conditioning = FluxConditioning(rows: try `case`["rows"], pooled: try `case`["pooled"])
  }

  func velocity(
    _ latents: Tensor, _ conditioning: FluxConditioning,
    checkpointing: GradientCheckpointing? = nil
  ) throws -> Tensor {
    model(
      latents, timestep: try `case`["timestep"], guidance: guidance, embeddings: conditioning,
      checkpointing: checkpointing)
  }
}
