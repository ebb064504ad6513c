/// The linear layers of Stable Diffusion 3 under their original names, as kohya's sd-scripts and
/// ComfyUI know them, and the layers of diffusers that each holds.
///
/// The original joins queries, keys and values in one layer. A key is
/// `lora_unet_joint_blocks_3_x_block_attn_qkv.lora_down.weight`. The correspondence is that of
/// diffusers' conversion of the original checkpoint
/// (`convert_sd3_transformer_checkpoint_to_diffusers`).
enum KohyaLayers {
  static let prefix = "lora_unet_"

  /// Within a block: the original's name, and diffusers' (three for queries, keys and values).
  private static let blockLayers: [(name: String, parts: [String])] = [
    ("x_block_attn_qkv", ["attn.to_q", "attn.to_k", "attn.to_v"]),
    ("x_block_attn_proj", ["attn.to_out.0"]),
    ("x_block_attn2_qkv", ["attn2.to_q", "attn2.to_k", "attn2.to_v"]),
    ("x_block_attn2_proj", ["attn2.to_out.0"]),
    ("x_block_mlp_fc1", ["ff.net.0.proj"]),
    ("x_block_mlp_fc2", ["ff.net.2"]),
    ("x_block_adaLN_modulation_1", ["norm1.linear"]),
    ("context_block_attn_qkv", ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]),
    ("context_block_attn_proj", ["attn.to_add_out"]),
    ("context_block_mlp_fc1", ["ff_context.net.0.proj"]),
    ("context_block_mlp_fc2", ["ff_context.net.2"]),
    ("context_block_adaLN_modulation_1", ["norm1_context.linear"]),
  ]

  /// Outside the blocks.
  private static let otherLayers: [(name: String, parts: [String])] = [
    ("context_embedder", ["context_embedder"]),
    ("t_embedder_mlp_0", ["time_text_embed.timestep_embedder.linear_1"]),
    ("t_embedder_mlp_2", ["time_text_embed.timestep_embedder.linear_2"]),
    ("y_embedder_mlp_0", ["time_text_embed.text_embedder.linear_1"]),
    ("y_embedder_mlp_2", ["time_text_embed.text_embedder.linear_2"]),
    ("final_layer_adaLN_modulation_1", ["norm_out.linear"]),
    ("final_layer_linear", ["proj_out"]),
  ]

  private static let blockPrefix = "joint_blocks_"
  private static let pathPrefix = "transformer_blocks."

  /// The paths in diffusers of the layer `name` (without `prefix`); nil for an unknown one.
  static func paths(of name: String) -> [String]? {
    guard name.hasPrefix(blockPrefix) else {
      return otherLayers.first { $0.name == name }?.parts
    }
    let rest = name.dropFirst(blockPrefix.count)
    guard let end = rest.firstIndex(of: "_"), let block = Int(rest[..<end]) else { return nil }
    let inner = rest[rest.index(after: end)...]
    return blockLayers.first { $0.name == inner }?.parts.map { "\(pathPrefix)\(block).\($0)" }
  }

  /// The layer that holds diffusers' layer `path`, which of its parts it is, and how many there
  /// are; nil for a layer without a counterpart.
  static func place(of path: String) -> (name: String, part: Int, count: Int)? {
    var (table, inner, outer) = (otherLayers, path[...], "")
    if path.hasPrefix(pathPrefix) {
      let rest = path.dropFirst(pathPrefix.count)
      guard let end = rest.firstIndex(of: "."), let block = Int(rest[..<end]) else { return nil }
      (table, inner) = (blockLayers, rest[rest.index(after: end)...])
      outer = "\(blockPrefix)\(block)_"
    }
    for (name, parts) in table {
      guard let part = parts.firstIndex(of: String(inner)) else { continue }
      return (outer + name, part, parts.count)
    }
    return nil
  }

  /// Whether the original holds shift before scale where diffusers holds scale before shift: the
  /// last modulation, and the last block's modulation of the text, the only one that is two rather
  /// than six widths high.
  static func swapsHalves(_ name: String, outputs: Int, inputs: Int) -> Bool {
    name == "final_layer_adaLN_modulation_1"
      || name.hasSuffix("_context_block_adaLN_modulation_1") && outputs == 2 * inputs
  }
}
