public import Torch
public import TorchNN

/// BLIP's image-grounded text encoder: BERT with cross-attention to the image in every layer.
///
/// B prompts of T tokens, width D; I image tokens.
public struct BLIPTextEncoder {
  public let configuration: BLIPConfiguration
  let words: Embedding
  let positions: Embedding
  let norm: LayerNorm
  let layers: [BLIPTextLayer]

  /// Builds the network from parameters named as in BLIP's own checkpoints.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: BLIPConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.hiddenSize
    let embeddings = parameters["embeddings"]
    words = try Embedding(configuration.vocabSize, width, embeddings["word_embeddings"])
    positions = try Embedding(
      configuration.maxPositionEmbeddings, width, embeddings["position_embeddings"])
    norm = try LayerNorm(width, epsilon: configuration.layerNormEps, embeddings["LayerNorm"])
    var layers: [BLIPTextLayer] = []
    for index in 0..<configuration.numHiddenLayers {
      layers.append(try BLIPTextLayer(configuration, parameters["encoder"]["layer"][index]))
    }
    self.layers = layers
  }

  /// The hidden states of the last layer. `-> [B, T, D]`
  ///
  /// - Parameters:
  ///   - prompts: token ids of equal length, at most `maxPositionEmbeddings` each.
  /// - lengths: tokens of each prompt; later tokens are masked.
  ///   - image: the output of the image encoder. `[B, I, E]`
  public func callAsFunction(_ prompts: [[Int]], lengths: [Int], image: Tensor) -> Tensor {
    let length = prompts.first?.count ?? 0
    precondition(
      length <= configuration.maxPositionEmbeddings
        && prompts.allSatisfy { $0.count == length }, "prompts of equal length, within the maximum")
    let device = words.weight.device
    let ids = Tensor(prompts.flatMap(\.self), shape: [prompts.count, length]).to(device)
    let isText = Tensor(
      lengths.flatMap { count in (0..<length).map { $0 < count } },
      shape: [prompts.count, 1, 1, length]
    ).to(device)
    var hidden = norm(
      words(ids) + positions.weight.narrowed(dim: 0, start: 0, length: length))
    for layer in layers { hidden = layer(hidden, mask: isText, image: image) }
    return hidden
  }
}

/// One layer: self-attention over the prompt's tokens, cross-attention to the image, and a
/// feed-forward layer. Each output is added to its input and normalized.
struct BLIPTextLayer {
  private let own: BLIPTextAttention
  private let cross: BLIPTextAttention
  private let up: Linear
  private let down: Linear
  private let norm: LayerNorm

  init(_ configuration: BLIPConfiguration, _ parameters: ParameterScope) throws(ParameterError) {
    let width = configuration.hiddenSize
    own = try BLIPTextAttention(configuration, sources: width, parameters["attention"])
    cross = try BLIPTextAttention(
      configuration, sources: configuration.visionWidth, parameters["crossattention"])
    up = try Linear(width, configuration.intermediateSize, parameters["intermediate"]["dense"])
    down = try Linear(configuration.intermediateSize, width, parameters["output"]["dense"])
    norm = try LayerNorm(
      width, epsilon: configuration.layerNormEps, parameters["output"]["LayerNorm"])
  }

  /// `[B, T, D], [B, 1, 1, T], [B, I, E] -> [B, T, D]`
  func callAsFunction(_ x: Tensor, mask: Tensor, image: Tensor) -> Tensor {
    let attended = cross(own(x, x, mask: mask), image, mask: nil)
    return norm(attended + down(up(attended).gelu()))
  }
}

private struct BLIPTextAttention {
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let norm: LayerNorm
  let heads: Int

  /// - Parameter sources: width of the tokens that keys and values are computed from.
  init(
    _ configuration: BLIPConfiguration, sources: Int, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.hiddenSize
    heads = configuration.numAttentionHeads
    query = try Linear(width, width, parameters["self"]["query"])
    key = try Linear(sources, width, parameters["self"]["key"])
    value = try Linear(sources, width, parameters["self"]["value"])
    output = try Linear(width, width, parameters["output"]["dense"])
    norm = try LayerNorm(
      width, epsilon: configuration.layerNormEps, parameters["output"]["LayerNorm"])
  }

  func callAsFunction(_ x: Tensor, _ source: Tensor, mask: Tensor?) -> Tensor {
    let attended = Tensor.scaledDotProductAttention(
      query(x).inHeads(heads), key(source).inHeads(heads), value(source).inHeads(heads),
      mask: mask)
    return norm(x + output(attended.joinedHeads()))
  }
}
