import Foundation

/// The components of Stable Diffusion 3 in `model_index.json`.
package struct SD3ModelIndex {
  package let index: ModelIndex
  /// Whether the model has T5 beside the two CLIP text encoders. A model that was saved without T5
  /// may keep its tokenizer, which is then unused.
  package var hasT5: Bool { index.className(of: "text_encoder_3") != nil }

  private static let components: [ModelIndex.Component] = [
    ("scheduler", "diffusers", ["FlowMatchEulerDiscreteScheduler"]),
    ("text_encoder", "transformers", [CLIPTextConfiguration.className]),
    ("text_encoder_2", "transformers", [CLIPTextConfiguration.className]),
    ("tokenizer", "transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("tokenizer_2", "transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("transformer", "diffusers", [SD3TransformerConfiguration.className]),
    ("vae", "diffusers", [AutoencoderKLConfiguration.className]),
  ]

  /// The optional T5.
  private static let t5Components: [ModelIndex.Component] = [
    ("text_encoder_3", "transformers", [T5Configuration.className]),
    ("tokenizer_3", "transformers", ["T5TokenizerFast", "T5Tokenizer"]),
  ]

  /// Components of diffusers for image prompts, which must be absent.
  private static let absentComponents = ["image_encoder", "feature_extractor"]

  /// Reads and checks the index of the pipeline in `folder`.
  ///
  /// - Throws: `PipelineError` for a file that cannot be read, a wrong class, an unknown component.
  package init(folder: String) throws(PipelineError) {
    index = try ModelIndex(folder: folder)
    try index.check(
      classNames: StableDiffusion3Pipeline.classNames,
      required: Self.components + (hasT5 ? Self.t5Components : []),
      optional: Self.t5Components.map(\.name), absent: Self.absentComponents)
  }

  /// The folders of text encoders and tokenizers.
  package var textComponents: [String] {
    let suffixes = clipSuffixes + (hasT5 ? ["_3"] : [])
    return suffixes.flatMap { ["text_encoder\($0)", "tokenizer\($0)"] }
  }

  /// The folders of the text components in a copy of the model: all that the index names, as
  /// diffusers opens them all.
  var copiedTextComponents: [String] {
    let namesTokenizer = index.className(of: "tokenizer_3") != nil
    return textComponents + (namesTokenizer && !hasT5 ? ["tokenizer_3"] : [])
  }

  /// The text of the index of a model without T5.
  static func json() throws -> Data {
    try ModelIndex.json(
      className: StableDiffusion3Pipeline.classNames[0], components,
      absent: t5Components.map(\.name) + absentComponents)
  }
}
