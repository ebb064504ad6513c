extension KohyaLayers {
  /// The linear layers of FLUX.1 under their original names, which kohya's sd-scripts and ComfyUI
  /// use. A key is `lora_unet_double_blocks_3_img_attn_qkv.lora_down.weight`.
  /// Source: diffusers' `convert_flux_transformer_checkpoint_to_diffusers`.
  static let flux = KohyaLayers(
    blocks: [
      Block(
        name: "double_blocks_", path: "transformer_blocks.",
        layers: [
          ("img_attn_qkv", ["attn.to_q", "attn.to_k", "attn.to_v"]),
          ("img_attn_proj", ["attn.to_out.0"]),
          ("img_mlp_0", ["ff.net.0.proj"]),
          ("img_mlp_2", ["ff.net.2"]),
          ("img_mod_lin", ["norm1.linear"]),
          ("txt_attn_qkv", ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]),
          ("txt_attn_proj", ["attn.to_add_out"]),
          ("txt_mlp_0", ["ff_context.net.0.proj"]),
          ("txt_mlp_2", ["ff_context.net.2"]),
          ("txt_mod_lin", ["norm1_context.linear"]),
        ]),
      Block(
        name: "single_blocks_", path: "single_transformer_blocks.",
        layers: [
          ("linear1", ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]),
          ("linear2", ["proj_out"]),
          ("modulation_lin", ["norm.linear"]),
        ]),
    ],
    others: [
      ("img_in", ["x_embedder"]),
      ("txt_in", ["context_embedder"]),
      ("time_in_in_layer", ["time_text_embed.timestep_embedder.linear_1"]),
      ("time_in_out_layer", ["time_text_embed.timestep_embedder.linear_2"]),
      ("guidance_in_in_layer", ["time_text_embed.guidance_embedder.linear_1"]),
      ("guidance_in_out_layer", ["time_text_embed.guidance_embedder.linear_2"]),
      ("vector_in_in_layer", ["time_text_embed.text_embedder.linear_1"]),
      ("vector_in_out_layer", ["time_text_embed.text_embedder.linear_2"]),
      ("final_layer_adaLN_modulation_1", ["norm_out.linear"]),
      ("final_layer_linear", ["proj_out"]),
    ],
    shares: ["proj_mlp": 4],
    // The last modulation holds shift before scale.
    swapsHalves: { name, _, _ in name == "final_layer_adaLN_modulation_1" })
}
