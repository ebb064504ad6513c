import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// Results of diffusers' QwenImageTransformer2DModel, written by `python
/// Tools/fixtures/qwen_image.py`.
@Suite struct QwenImageNetworkTests {
  @Test(arguments: ["wide", "tall"])
  func `the transformer and its gradients equal diffusers'`(name: String) throws {
    try check(name, adapted: false)
  }

  @Test(arguments: ["wide", "tall"])
  func `the transformer's adapters equal peft's, with their gradients`(name: String) throws {
    try check(name, adapted: true)
  }

  private func check(_ name: String, adapted: Bool) throws {
    let given = try QwenImageCase(name, adapted: adapted)
    let (latents, rows) = (try given.case.leaf("latents"), try given.case.leaf("rows"))
    let velocity = try given.velocity(
      latents, QwenImageConditioning(rows: rows, lengths: given.lengths))
    try given.case.check(
      ["velocity": velocity], leaves: ["latents": latents, "rows": rows],
      prefix: adapted ? "lora." : "")
  }

  @Test(arguments: ["wide", "tall"])
  func `without padding the transformer equals diffusers' without a mask`(name: String) throws {
    let given = try QwenImageCase(name)
    let (latents, rows) = (try given.case.leaf("latents"), try given.case.leaf("rows"))
    let whole = [Int](repeating: rows.shape[1], count: rows.shape[0])
    let velocity = try given.velocity(latents, QwenImageConditioning(rows: rows, lengths: whole))
    #expect(relativeError(velocity, try given.case["unmasked.velocity"]) < parityTolerance)
    velocity.backward(gradient: try given.case["cotangent.velocity"])
    for (name, leaf) in [("latents", latents), ("rows", rows)] {
      let gradient = try #require(leaf.gradient)
      let expected = try given.case["unmasked.gradient.\(name)"]
      #expect(relativeError(gradient, expected) < parityTolerance, "\(name)")
    }
  }

  @Test(arguments: ["wide", "tall"])
  func `weights without effect on the image get no gradient`(name: String) throws {
    let given = try QwenImageCase(name)
    let velocity = try given.velocity(try given.case["latents"], given.conditioning)
    velocity.squared().sum().backward()
    let path = fixture("qwen-image/gradients.json")
    let expected = try JSONDecoder().decode(
      [String: [String: [String]]].self, from: Data(contentsOf: URL(filePath: path)))
    let (absent, zero) = (
      try #require(expected[name]?["absent"]), try #require(expected[name]?["zero"])
    )
    let found = given.case.store.parameters.filter { $0.tensor.gradient == nil }.map(\.name)
    #expect(found.sorted() == absent)
    for parameter in given.case.store.parameters where zero.contains(parameter.name) {
      #expect(parameter.tensor.gradient.map { $0.abs().amax().item() } == 0, "\(parameter.name)")
    }
  }

  @Test(arguments: ["wide", "tall"])
  func `gradient checkpointing gives the same gradients`(name: String) throws {
    func gradients(_ checkpointing: GradientCheckpointing?) throws -> [(String, Tensor?)] {
      let given = try QwenImageCase(name, adapted: true)
      let velocity = try given.velocity(
        try given.case["latents"], given.conditioning, checkpointing: checkpointing)
      velocity.backward(gradient: try given.case["cotangent.velocity"])
      checkpointing?.backward()
      return given.case.store.trainable.map { ($0.name, $0.tensor.gradient) }
    }
    for (kept, recomputed) in zip(try gradients(nil), try gradients(GradientCheckpointing())) {
      #expect((kept.1 == nil) == (recomputed.1 == nil), "\(kept.0)")
      guard let first = kept.1, let second = recomputed.1 else { continue }
      // Modulations with adapters add the blocks' gradients of their input in another order.
      #expect(relativeError(second, first) < 1e-6, "\(kept.0)")
    }
  }

  @Test(arguments: ["wide", "tall"])
  func `in bfloat16 the velocity stays close`(name: String) throws {
    let given = try QwenImageCase(name)
    let store = ParameterStore(
      .checkpoint(
        try WeightsFile.open(
          folder: fixture("qwen-image/\(name)"), baseName: "diffusion_pytorch_model")),
      dtype: .bfloat16)
    let model = try QwenImageTransformer2DModel(given.case.configuration, store.root)
    let velocity = try withoutGradient {
      model(
        try given.case["latents"].to(.bfloat16),
        sigma: qwenImageSigma(try given.case["sigma"], .bfloat16),
        embeddings: QwenImageConditioning(
          rows: try given.case["rows"].to(.bfloat16), lengths: given.lengths))
    }
    // 8 bits of mantissa: 0.4 % per rounding.
    #expect(relativeError(velocity.to(.float32), try given.case["bfloat16"]) < 0.03)
  }

  @Test func `timesteps are rounded in bfloat16 as in diffusers`() throws {
    let given = try WeightsFile(path: fixture("qwen-image/rounding.safetensors")).tensors
    let sigma = try #require(given["timestep"]) / 1000
    let rounded = qwenImageSigma(sigma, .bfloat16)
    #expect(rounded.dtype == .bfloat16)
    #expect(rounded.to(.float32).floats() == (try #require(given["sigma.rounded"])).floats())
  }

  @Test func `padding, and the rows behind it, change nothing`() throws {
    let given = try QwenImageCase("wide")
    let rows = try given.case["rows"]
    let latents = try given.case["latents"]
    let (short, long) = try withoutGradient {
      let noise = Tensor.randn(
        [rows.shape[0], 1088 - rows.shape[1], rows.shape[2]], generator: Generator(seed: 3))
      let padded = Tensor.cat([rows, noise], dim: 1)
      return (
        try given.velocity(latents, given.conditioning),
        try given.velocity(latents, QwenImageConditioning(rows: padded, lengths: given.lengths))
      )
    }
    #expect(relativeError(long, short) < 1e-6)
  }

  @Test(arguments: [
    (["in_channels": "8"], "in_channels"), (["patch_size": "1"], "patch_size"),
    (["axes_dims_rope": "[4, 6, 8]"], "axes_dims_rope"),
    (["guidance_embeds": "true"], "guidance_embeds"), (["zero_cond_t": "true"], "zero_cond_t"),
    (["use_layer3d_rope": "true"], "use_layer3d_rope"), (["num_layers": "0"], "num_layers"),
  ])
  func `a value without support is an error with its key`(
    values: [String: String], key: String
  ) throws {
    let all = [
      "in_channels": "16", "out_channels": "4", "attention_head_dim": "16",
      "axes_dims_rope": "[4, 6, 6]",
    ].merging(values) { $1 }
    let text = "{" + all.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    let error = #expect(throws: ModelError.self) {
      try QwenImageTransformerConfiguration(json: Data(text.utf8), path: "config.json")
    }
    #expect("\(try #require(error))".contains(key))
  }
}

/// A transformer of the fixtures and its inputs.
struct QwenImageCase {
  let `case`: FixtureCase<QwenImageTransformerConfiguration>
  let model: QwenImageTransformer2DModel
  let lengths: [Int]
  let conditioning: QwenImageConditioning

  init(_ name: String, adapted: Bool = false) throws {
    `case` = try FixtureCase(
      name, in: "qwen-image", QwenImageTransformerConfiguration.self,
      weights: "diffusion_pytorch_model", adapted: adapted)
    model = try QwenImageTransformer2DModel(`case`.configuration, `case`.store.root)
    try `case`.store.finish()
    lengths = try `case`["length"].ints()
    conditioning = QwenImageConditioning(rows: try `case`["rows"], lengths: lengths)
  }

  func velocity(
    _ latents: Tensor, _ conditioning: QwenImageConditioning,
    checkpointing: GradientCheckpointing? = nil
  ) throws -> Tensor {
    model(
      latents, sigma: try `case`["sigma"], embeddings: conditioning, checkpointing: checkpointing)
  }
}
