import DiffusionModels
import Foundation
import Foundations
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct LoRAErrorTests {
  private let layer = "transformer.transformer_blocks.0.attn.to_q"
  private let other = "transformer.transformer_blocks.1.attn.to_q"

  /// Adapters of a layer, with diffusers' names.
  private func adapter(_ layer: String, rank: Int = 2, width: Int = 16) -> [(String, Tensor)] {
    [
      ("\(layer).lora_A.weight", Tensor.ones([rank, width])),
      ("\(layer).lora_B.weight", Tensor.ones([width, rank])),
    ]
  }

  /// The error of reading a file with these tensors and applying it to the fixture's model.
  private func failure(
    _ tensors: [(String, Tensor)], metadata: [String: String] = [:]
  ) throws -> String {
    try withTemporaryFolder { folder in
      let path = "\(folder)/lora.safetensors"
      try Safetensors.write(tensors, metadata: metadata, to: path)
      let error = #expect(throws: PipelineError.self) {
        _ = try LoRA(path: path).learningSetup(model: LoRACase.model)
      }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains(path))
      return text
    }
  }

  @Test func `adapters of another model are an error with the first layer and both shapes`() throws
  {
    let wide = try failure(
      adapter(layer, width: 1536),
      metadata: ["tempflow.base_model": "stabilityai/stable-diffusion-3.5-medium"])
    for part in [
      "another model", "'transformer_blocks.0.attn.to_q'", "[1536, 1536]", "[16, 16]",
      "stabilityai/stable-diffusion-3.5-medium",
    ] {
      #expect(wide.contains(part), "\(wide)")
    }
    let flux = try failure(adapter("transformer.single_transformer_blocks.0.proj_mlp"))
    #expect(flux.contains("'single_transformer_blocks.0.proj_mlp'"))
    #expect(flux.contains("the model has no such layer"))
  }

  @Test(arguments: [Float.nan, .infinity])
  func `tensors that are not finite are named, in every layout`(value: Float) throws {
    let down = Tensor((0..<32).map { $0 == 17 ? value : 1 }, shape: [2, 16])
    let up = adapter(layer)[1]
    let text = try failure([("\(layer).lora_A.weight", down), up])
    #expect(text.contains("'transformer_blocks.0.attn.to_q.lora_A.weight' holds NaN"), "\(text)")
    let kohya = "lora_unet_joint_blocks_0_x_block_attn_proj"
    let other = try failure([
      ("\(kohya).lora_down.weight", down), ("\(kohya).lora_up.weight", up.1),
    ])
    #expect(other.contains("attn.to_out.0.lora_A.weight' holds NaN"), "\(other)")
  }

  @Test func `an unknown key is named`() throws {
    #expect(
      try failure(adapter(layer) + [("transformer.norm.weight", Tensor.ones([1]))])
        .contains("'transformer.norm.weight'"))
    #expect(try failure(adapter("unet.down_blocks.0.to_q")).contains("'unet.down_blocks.0.to_q."))
    let kohya = [
      ("lora_unet_input_blocks_0.lora_down.weight", Tensor.ones([2, 4])),
      ("lora_unet_input_blocks_0.lora_up.weight", Tensor.ones([4, 2])),
    ]
    #expect(try failure(kohya).contains("'lora_unet_input_blocks_0.lora_down.weight'"))
  }

  @Test(arguments: [
    ("lora_transformer_transformer_blocks_0_attn_to_q.lora_down.weight", "OneTrainer's"),
    ("diffusion_model.joint_blocks.0.x_block.attn.qkv.lora_A.weight", "ComfyUI's"),
    ("diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight", "ComfyUI's for FLUX"),
    ("lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight", "kohya's for another model"),
    ("unet.down_blocks.1.attentions.0.proj_in.lora_A.weight", "diffusers' for a U-Net"),
    ("joint_blocks.0.x_block.attn.qkv.lora_A.weight", "the original model's names"),
  ])
  func `an unsupported layout is named, with the supported ones`(key: String, layout: String) throws
  {
    let text = try failure([(key, Tensor.ones([2, 16]))])
    #expect(text.contains("'\(key)'") && text.contains(layout), "\(text)")
    for name in ["(PEFT)", "(diffusers)", "(kohya's sd-scripts)"] {
      #expect(text.contains(name), "\(text)")
    }
  }

  @Test func `alphas and adapters that contradict each other are named`() throws {
    func alpha(_ layer: String, _ value: Double) -> (String, Tensor) {
      ("\(layer).alpha", Tensor.full([], value))
    }
    let both = adapter(layer) + adapter(other)
    let text = try failure(both + [alpha(layer, 4)])
    #expect(text.contains("'transformer_blocks.1.attn.to_q': has alpha 2.0 where"), "\(text)")
    #expect(
      try failure(both + [alpha(layer, 4), alpha(other, 5)]).contains("has alpha 5.0 where"))
    #expect(try failure(both + [alpha(layer, 0)]).contains("is not one positive number"))
    #expect(
      try failure(adapter(layer) + [alpha(other, 2)])
        .contains("transformer_blocks.1.attn.to_q.lora_A.weight"))
    let settings = #"{"transformer.r": 2, "transformer.lora_alpha": 6}"#
    let contradiction = try failure(
      both + [alpha(layer, 4), alpha(other, 4)],
      metadata: [
        "lora_adapter_metadata": settings.replacing(
          "}", with: #", "transformer.target_modules": ["attn.to_q"]}"#)
      ])
    #expect(
      contradiction.contains("the settings have alpha 6.0, the layers 4.0"), "\(contradiction)")
    let second = [
      ("\(layer).lora_A.one.weight", Tensor.ones([2, 16])),
      ("\(layer).lora_B.two.weight", Tensor.ones([16, 2])),
    ]
    #expect(try failure(second).contains("belongs to another adapter"))
    #expect(
      try failure(adapter(layer) + [("\(layer).lora_down.weight", Tensor.ones([2, 16]))])
        .contains("under two names"))
  }

  @Test func `mutated files result in adapters or a typed error, never a crash`() throws {
    var random = SplitMix64(seed: 19)
    for name in ["diffusers", "kohya"] {
      let whole = try [UInt8](Data(contentsOf: URL(filePath: fixture("lora/\(name).safetensors"))))
      let length = Int(whole[0]) + 256 * Int(whole[1])
      try withTemporaryFolder { folder in
        let path = "\(folder)/lora.safetensors"
        for _ in 0..<150 {
          var bytes = whole
          for _ in 0...Int.random(in: 0..<3, using: &random) {
            // The header holds names, shapes and settings; a changed dot or digit moves parts of a
            // key.
            let position = 8 + Int.random(in: 0..<length, using: &random)
            bytes[position] = Array(".0_1AB~".utf8).randomElement(using: &random) ?? 0
          }
          try Data(bytes).write(to: URL(filePath: path))
          do throws(PipelineError) {
            _ = try LoRA(path: path).learningSetup(model: LoRACase.model)
          } catch {
            #expect(error.description.contains(folder))
          }
        }
      }
    }
  }

  @Test func `a Git LFS pointer in place of adapters is an error with the command to run`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/lora.safetensors"
      try Data("version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 9\n".utf8)
        .write(to: URL(filePath: path))
      let error = #expect(throws: PipelineError.self) { try LoRA(path: path) }
      #expect(error == .weights(.gitLFSPointer(path: path)))
    }
  }

  @Test(arguments: [
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
    "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight",
    "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
  ])
  func `adapters of a text encoder are unsupported`(key: String) throws {
    let text = try failure(adapter(layer) + [(key, Tensor.ones([2, 4]))])
    #expect(text.contains(key) && text.contains("text encoder, which is not supported"))
  }

  @Test(arguments: ["transformer.x.lora_magnitude_vector.weight", "lora_unet_x.dora_scale"])
  func `DoRA is unsupported`(key: String) throws {
    #expect(try failure(adapter(layer) + [(key, Tensor.ones([4]))]).contains("DoRA"))
  }

  @Test func `layers that differ in rank are named`() throws {
    let ranks = try failure(adapter(layer) + adapter(other, rank: 4))
    #expect(ranks.contains("'transformer_blocks.1.attn.to_q': has rank 4 where"))
  }

  @Test func `half an adapter, and an adapter that is not a matrix, are named`() throws {
    let half = try failure(adapter(layer) + [adapter(other)[0]])
    #expect(half.contains("transformer_blocks.1.attn.to_q.lora_B.weight"))
    let convolution = [
      ("\(layer).lora_A.weight", Tensor.ones([2, 16, 1, 1])),
      ("\(layer).lora_B.weight", Tensor.ones([16, 2, 1, 1])),
    ]
    #expect(try failure(convolution).contains("not an adapter of a linear layer"))
  }

  @Test func `a truncated file is refused`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/cut.safetensors"
      let whole = try Data(
        contentsOf: URL(fileURLWithPath: fixture("lora/diffusers.safetensors")))
      for count in [4, 100, whole.count - 1] {
        try whole.prefix(count).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: PipelineError.self) { try LoRA(path: path) }
        guard case .weights = error else {
          Issue.record("unexpected \(String(describing: error))")
          return
        }
      }
    }
  }
}
