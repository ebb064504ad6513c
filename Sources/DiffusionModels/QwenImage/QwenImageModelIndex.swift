import Foundation

/// The class and the components of Qwen-Image in `model_index.json`.
enum QwenImageModelIndex {
  /// Qwen-Image and Qwen-Image-2512.
  static let className = "QwenImagePipeline"

  /// The folders of text encoder and tokenizer.
  static let textComponents = ["text_encoder", "tokenizer"]

  private static let components: [ModelIndex.Component] = [
    ("scheduler", "diffusers", ["FlowMatchEulerDiscreteScheduler"]),
    ("text_encoder", "transformers", [Qwen25VLConfiguration.className]),
    ("tokenizer", "transformers", ["Qwen2Tokenizer", "Qwen2TokenizerFast"]),
    ("transformer", "diffusers", [QwenImageTransformerConfiguration.className]),
    ("vae", "diffusers", [AutoencoderKLQwenImageConfiguration.className]),
  ]

  /// Reads and checks the index of the pipeline in `folder`.
  ///
  /// - Throws: `PipelineError` for a file that cannot be read, a wrong class, an unknown component.
  static func check(_ folder: String) throws(PipelineError) {
    try ModelIndex(folder: folder).check(classNames: [className], required: components)
  }
}
