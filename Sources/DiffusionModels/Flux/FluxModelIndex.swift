/// The components of FLUX.1 in `model_index.json`.
struct FluxModelIndex {
  /// The folders of text encoders and tokenizers.
  static let textComponents = ["text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"]

  private static let components: [ModelIndex.Component] = [
    ("scheduler", "diffusers", ["FlowMatchEulerDiscreteScheduler"]),
    ("text_encoder", "transformers", [CLIPTextModelConfiguration.className]),
    ("text_encoder_2", "transformers", [T5Configuration.className]),
    ("tokenizer", "transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("tokenizer_2", "transformers", ["T5TokenizerFast", "T5Tokenizer"]),
    ("transformer", "diffusers", [FluxTransformerConfiguration.className]),
    ("vae", "diffusers", [AutoencoderKLConfiguration.className]),
  ]

  /// Reads and checks the index of the pipeline in `folder`. Components of diffusers for image
  /// prompts must be absent.
  ///
  /// - Throws: `PipelineError` for a file that cannot be read, a wrong class, an unknown component.
  static func check(_ folder: String) throws(PipelineError) {
    try ModelIndex(folder: folder).check(
      className: FluxPipeline.className, required: components,
      absent: ["image_encoder", "feature_extractor"])
  }
}
