extension KohyaLayers {
  /// The linear layers of Stable Diffusion 3 under their original names, which kohya's sd-scripts
  /// and ComfyUI use. A key is `lora_unet_joint_blocks_3_x_block_attn_qkv.lora_down.weight`.
  /// Source: diffusers' `convert_sd3_transformer_checkpoint_to_diffusers`.
  static let stableDiffusion3 = KohyaLayers(
    blocks: [
      Block(
        name: "joint_blocks_", path: "transformer_blocks.",
        layers: [
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
        ])
    ],
    others: [
      ("context_embedder", ["context_embedder"]),
      ("t_embedder_mlp_0", ["time_text_embed.timestep_embedder.linear_1"]),
      ("t_embedder_mlp_2", ["time_text_embed.timestep_embedder.linear_2"]),
      ("y_embedder_mlp_0", ["time_text_embed.text_embedder.linear_1"]),
      ("y_embedder_mlp_2", ["time_text_embed.text_embedder.linear_2"]),
      ("final_layer_adaLN_modulation_1", ["norm_out.linear"]),
      ("final_layer_linear", ["proj_out"]),
    ],
    // Two modulations hold shift before scale: the last one, and that of the text in the last
    // block, which is the only one two widths high instead of six.
    swapsHalves: { name, outputs, inputs in
      name == "final_layer_adaLN_modulation_1"
        || name.hasSuffix("_context_block_adaLN_modulation_1") && outputs == 2 * inputs
    })
}
