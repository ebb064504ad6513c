public import Torch
public import TorchNN

/// The language model of Qwen2.5-VL on text alone (`Qwen2_5_VLForConditionalGeneration` without
/// vision tower and head).
///
/// B rows of T tokens, width D.
public struct Qwen25LanguageModel {
  public let configuration: Qwen25VLConfiguration
  /// The decoder, for input embeddings instead of tokens.
  public let decoder: Qwen2LanguageModel

  /// Builds the network from parameters named as in published folders, `model.layers.0...`, or as
  /// in the class of transformers 5, `model.language_model.layers.0...`. The tensors of the vision
  /// tower and of the head may be there and are not read.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape. Where neither naming
  ///   fits, the missing name is the published one.
  public init(
    _ configuration: Qwen25VLConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let model = parameters["model"]
    let inner = model["language_model"]
    let isInner = inner["embed_tokens"].holds("weight")
    decoder = try Qwen2LanguageModel(configuration.language, isInner ? inner : model)
    (isInner ? model : parameters)["visual"].ignoreAll()
    parameters["lm_head"].ignoreAll()
  }

  /// The normalized hidden states after the last layer, `hidden_states[-1]` in transformers.
  /// Attention is causal: a token depends on no later one. `-> [B, T, D]`
  ///
  /// - Parameter rows: ids in `0 ..< vocabSize`; all rows have the same length.
  public func callAsFunction(_ rows: [[Int]]) -> Tensor {
    let positions = Array(0..<(rows.first?.count ?? 0))
    return decoder(
      decoder.embed(rows), positions: [[Int]](repeating: positions, count: 3))
  }
}
