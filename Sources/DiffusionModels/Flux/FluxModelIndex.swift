import Foundation

/// The class and the components of FLUX.1 in `model_index.json`.
struct FluxModelIndex {
  /// FLUX.1-dev and FLUX.1-schnell, and FLUX.1-Kontext, which edits a source image.
  static let classNames = ["FluxPipeline", "FluxKontextPipeline"]

  /// Whether a class takes a source image with a prompt.
  static func takesSource(_ className: String) -> Bool { className == classNames[1] }

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

  private static let absent = ["image_encoder", "feature_extractor"]

  /// Reads and checks the index of the pipeline in `folder`, and returns its class. Components of
  /// diffusers for image prompts must be absent.
  ///
  /// - Throws: `PipelineError` for a file that cannot be read, a wrong class, an unknown component.
  @discardableResult
  static func check(_ folder: String) throws(PipelineError) -> String {
    let index = try ModelIndex(folder: folder)
    try index.check(classNames: classNames, required: components, absent: absent)
    return index.className
  }

  /// The text of an index.
  static func json(className: String) throws -> Data {
    try ModelIndex.json(className: className, components, absent: absent)
  }
}
