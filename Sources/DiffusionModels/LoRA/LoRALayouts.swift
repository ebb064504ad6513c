/// Recognizes the layout of a LoRA file from its keys.
enum LoRALayouts {
  /// ComfyUI's prefix of a layer under its original name, which for Qwen-Image is diffusers'.
  private static let comfyPrefix = "diffusion_model."

  /// The beginnings of the paths of the transformer's layers in diffusers.
  private static let roots = [
    "transformer_blocks.", "single_transformer_blocks.", "context_embedder.", "x_embedder.",
    "time_text_embed.", "norm_out.", "proj_out.", "img_in.", "txt_in.",
  ]

  /// The prefix of a file with these keys: that of PEFT or diffusers if a key has it, or else
  /// ComfyUI's or the empty one if all keys are that and the path of a layer in diffusers.
  static func prefix(of keys: [String]) -> String {
    for prefix in [LoRA.peftPrefix, LoRA.diffusersPrefix]
    where keys.contains(where: { $0.hasPrefix(prefix) }) {
      return prefix
    }
    let fitting = [comfyPrefix, ""].first { prefix in
      keys.allSatisfy { key in roots.contains { key.hasPrefix(prefix + $0) } }
    }
    return fitting ?? LoRA.diffusersPrefix
  }

  /// The error for a key of an unsupported layout; it names the layout that the key resembles.
  static func refusal(of key: String, path: String) -> PipelineError {
    let looks = lookalikes.first { mark, _ in key.hasPrefix(mark) }?.layout
    return .unsupported(
      path: path, key: key,
      reason: "unknown key\(looks.map { "; it looks like \($0)" } ?? ""). Keys are read that begin "
        + "with '\(LoRA.peftPrefix)' (PEFT), '\(LoRA.diffusersPrefix)', 'transformer_blocks.' or "
        + "'single_transformer_blocks.' (diffusers), either after '\(comfyPrefix)' (ComfyUI), or "
        + "'\(KohyaLayers.prefix)' and a layer's original name (kohya's sd-scripts); save the "
        + "adapters in one of these layouts")
  }

  /// The beginnings of keys of other layouts and models; the first match counts.
  private static let lookalikes: [(mark: String, layout: String)] = [
    ("lora_transformer_single_transformer_blocks_", "OneTrainer's for FLUX"),
    ("lora_transformer_", "OneTrainer's"),
    ("lora_unet_", "kohya's for another model"),
    ("lora_prior_", "OneTrainer's for another model"),
    ("lycoris_", "LyCORIS's"),
    ("diffusion_model.joint_blocks.", "ComfyUI's, under the original model's names"),
    ("diffusion_model.double_blocks.", "ComfyUI's for FLUX"),
    ("diffusion_model.", "ComfyUI's"),
    ("model.diffusion_model.", "one of a whole checkpoint under the original model's names"),
    ("joint_blocks.", "one under the original model's names"),
    ("unet.", "diffusers' for a U-Net, such as that of Stable Diffusion XL"),
    ("down_blocks.", "diffusers' for a U-Net, such as that of Stable Diffusion XL"),
  ]
}

/// A parsed key of PEFT's or diffusers' layout, without the file's prefix.
struct LoRAKey {
  enum Kind {
    /// A, `[rank, in]`.
    case down
    /// B, `[out, rank]`.
    case up
    /// The layer's alpha, one number.
    case alpha
  }

  /// The path of the layer in diffusers.
  let path: String
  let kind: Kind
  /// The name of the adapter in PEFT; nil in most files.
  let adapter: String?

  /// Parses `<path>.lora_A.weight`, `<path>.lora_A.<adapter>.weight`, `<path>.lora_down.weight`,
  /// `<path>.lora.down.weight`, the same for B, and `<path>.alpha`; nil for other keys.
  init?(_ key: Substring) {
    var parts = key.split(separator: ".", omittingEmptySubsequences: false)
    guard let end = parts.popLast() else { return nil }
    if end == "alpha" {
      (kind, adapter) = (.alpha, nil)
    } else {
      guard end == "weight", let name = parts.popLast() else { return nil }
      if let kind = Self.kinds[name] {
        (self.kind, adapter) = (kind, nil)
      } else if let before = parts.popLast() {
        if before == "lora", let kind = Self.kinds["lora_\(name)"] {
          (self.kind, adapter) = (kind, nil)
        } else if let kind = Self.kinds[before], before.last?.isUppercase == true {
          (self.kind, adapter) = (kind, String(name))
        } else {
          return nil
        }
      } else {
        return nil
      }
    }
    guard !parts.isEmpty else { return nil }
    path = parts.joined(separator: ".")
  }

  private static let kinds: [Substring: Kind] = [
    "lora_A": .down, "lora_B": .up, "lora_down": .down, "lora_up": .up,
  ]
}
