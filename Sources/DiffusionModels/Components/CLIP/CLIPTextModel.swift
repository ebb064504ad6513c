public import Torch
public import TorchNN

/// CLIP's text encoder (transformers' `CLIPTextModel`).
///
/// B prompts of T tokens, width D.
public struct CLIPTextModel {
  public let configuration: CLIPTextConfiguration
  let tokens: Embedding
  let positions: Embedding
  let layers: [CLIPLayer]
  let finalNorm: LayerNorm

  /// The outputs that image models use.
  public struct Output {
    /// The hidden states before the last layer, not normalized. `[B, T, D]`
    public let penultimate: Tensor
    /// The end-of-text token after the last layer, normalized: transformers' `pooler_output`; with
    /// a projection, projected. `[B, D]` or `[B, P]`
    public let pooled: Tensor
  }

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: CLIPTextConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    // transformers from 5.6 on has the network at the root, and published files below `text_model`.
    let isAtRoot = parameters["embeddings"]["token_embedding"].holds("weight")
    let model = isAtRoot ? parameters : parameters["text_model"]
    let width = configuration.hiddenSize
    let embeddings = model["embeddings"]
    tokens = try Embedding(configuration.vocabSize, width, embeddings["token_embedding"])
    positions = try Embedding(
      configuration.maxPositionEmbeddings, width, embeddings["position_embedding"])
    embeddings.ignore("position_ids")
    var layers: [CLIPLayer] = []
    for index in 0..<configuration.numHiddenLayers {
      layers.append(
        try CLIPLayer(configuration, isCausal: true, model["encoder"]["layers"][index]))
    }
    self.layers = layers
    finalNorm = try LayerNorm(
      width, epsilon: configuration.layerNormEps, model["final_layer_norm"])
  }

  /// Builds the network of a pipeline's `CLIPTextModel`.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: CLIPTextModelConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    try self.init(configuration.text, parameters)
  }

  /// Encodes prompts of equal length; the tokenizer pads them.
  ///
  /// - Parameter prompts: token ids; at most `maxPositionEmbeddings` each.
  public func callAsFunction(_ prompts: [[Int]]) -> Output {
    let length = prompts.first?.count ?? 0
    precondition(
      length > 0 && prompts.allSatisfy { $0.count == length }, "prompts of unequal length")
    precondition(
      length <= configuration.maxPositionEmbeddings,
      "\(length) tokens exceed max_position_embeddings \(configuration.maxPositionEmbeddings)")
    let ids = Tensor(prompts.flatMap(\.self), shape: [prompts.count, length])
      .to(tokens.weight.device)
    var hidden = tokens(ids) + positions.weight.narrowed(dim: 0, start: 0, length: length)
    var penultimate = hidden
    for layer in layers {
      penultimate = hidden
      hidden = layer(hidden)
    }
    let ends = prompts.enumerated().map { $0.offset * length + endPosition($0.element) }
    let index = Tensor(ends, shape: [ends.count]).to(ids.device)
    let pooled = finalNorm(hidden.flattened(from: 0, to: 1).indexSelect(dim: 0, index))
    return Output(penultimate: penultimate, pooled: pooled)
  }

  /// The position of the pooled state, as in transformers: the first end-of-text token, or 0 if
  /// there is none. For the end-of-text id 2 of old checkpoints it is the first token with the
  /// highest id.
  private func endPosition(_ prompt: [Int]) -> Int {
    let target = configuration.eosTokenId == 2 ? prompt.max() : configuration.eosTokenId
    return prompt.firstIndex { $0 == target } ?? 0
  }
}
