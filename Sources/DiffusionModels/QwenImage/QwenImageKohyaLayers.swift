extension KohyaLayers {
  /// The linear layers of Qwen-Image, whose original names are diffusers', under the names of
  /// kohya's musubi-tuner, which ComfyUI reads, too. A key is
  /// `lora_unet_transformer_blocks_3_attn_to_q.lora_down.weight`.
  /// Source: diffusers' `_convert_non_diffusers_qwen_lora_to_diffusers`.
  static let qwenImage = KohyaLayers(
    blocks: [
      Block(
        name: "transformer_blocks_", path: "transformer_blocks.",
        layers: sameNames([
          "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
          "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
          "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2",
          "img_mod.1", "txt_mod.1",
        ]))
    ],
    others: sameNames([
      "img_in", "txt_in", "time_text_embed.timestep_embedder.linear_1",
      "time_text_embed.timestep_embedder.linear_2", "norm_out.linear", "proj_out",
    ]),
    swapsHalves: { _, _, _ in false })

  /// Layers with diffusers' names, with underscores in place of dots.
  private static func sameNames(_ paths: [String]) -> [Layer] {
    paths.map { ($0.map { $0 == "." ? "_" : String($0) }.joined(), [$0]) }
  }
}
