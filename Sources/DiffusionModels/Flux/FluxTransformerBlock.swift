import Torch
import TorchNN

/// A block with a stream each for image and text (diffusers' `FluxTransformerBlock`).
///
/// Both streams are normalized without learned weights and modulated by `conditioning`, the vector
/// of timestep, guidance and pooled prompt after SiLU. Attention covers both, text before image.
struct FluxTransformerBlock {
  /// One of the two streams.
  private struct Stream {
    let modulation: Modulation
    let attention: QueryKeyValue
    let output: Linear
    let feedForward: FeedForward

    init(
      _ configuration: FluxTransformerConfiguration, suffix: String, _ keys: QueryKeyValue.Keys,
      output name: ParameterScope, _ parameters: ParameterScope
    ) throws(ParameterError) {
      let width = configuration.width
      modulation = try Modulation(width, parts: 6, parameters["norm1\(suffix)"])
      attention = try QueryKeyValue(
        width, heads: configuration.numAttentionHeads, isNormalized: true, keys: keys,
        parameters["attn"])
      output = try Linear(width, width, name)
      feedForward = try FeedForward(width, parameters["ff\(suffix)"])
    }
  }

  private let image: Stream
  private let text: Stream

  init(
    _ configuration: FluxTransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let attention = parameters["attn"]
    image = try Stream(
      configuration, suffix: "", .image, output: attention["to_out"][0], parameters)
    text = try Stream(
      configuration, suffix: "_context", .text, output: attention["to_add_out"], parameters)
  }

  /// `[B, S, D], [B, T, D], [B, D] -> the first two`
  func callAsFunction(
    image x: Tensor, text context: Tensor, conditioning: Tensor, _ rotation: FluxRotation
  ) -> (image: Tensor, text: Tensor) {
    let streams = [(text, context), (image, x)]
    let parts = streams.map { $0.0.modulation.parts(conditioning) }
    let inputs = zip(streams, parts).map { stream, parts in
      (stream.0.attention, modulatedNorm(stream.1, shift: parts[0], scale: parts[1]))
    }
    let attended = attention(
      rotation(Tensor.cat(inputs.map { $0.queries($1) }, dim: 1)),
      rotation(Tensor.cat(inputs.map { $0.keys($1) }, dim: 1)),
      Tensor.cat(inputs.map { $0.values($1) }, dim: 1))
    var start = 0
    let results = zip(streams, parts).map { stream, parts in
      let (layers, x) = stream
      let own = attended.narrowed(dim: 1, start: start, length: x.shape[1])
      start += x.shape[1]
      let result = gated(x, parts[2], layers.output(own))
      let update = layers.feedForward(modulatedNorm(result, shift: parts[3], scale: parts[4]))
      return gated(result, parts[5], update)
    }
    return (results[1], results[0].limited())
  }
}

/// A block with one stream of text and image, whose attention and feed-forward layers are parallel
/// (diffusers' `FluxSingleTransformerBlock`).
struct FluxSingleTransformerBlock {
  private let modulation: Modulation
  private let queryKeyValue: QueryKeyValue
  private let up: Linear
  /// From the outputs of attention and of the feed-forward layer, side by side.
  private let output: Linear

  init(
    _ configuration: FluxTransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    modulation = try Modulation(width, parts: 3, parameters["norm"])
    up = try Linear(width, 4 * width, parameters["proj_mlp"])
    output = try Linear(5 * width, width, parameters["proj_out"])
    queryKeyValue = try QueryKeyValue(
      width, heads: configuration.numAttentionHeads, isNormalized: true, keys: .image,
      parameters["attn"])
  }

  /// `[B, T + S, D], [B, D] -> the first`
  func callAsFunction(
    _ x: Tensor, conditioning: Tensor, _ rotation: FluxRotation
  ) -> Tensor {
    let parts = modulation.parts(conditioning)
    let input = modulatedNorm(x, shift: parts[0], scale: parts[1])
    return gated(x, parts[2], output(joined(input, rotation))).limited()
  }

  /// The outputs of attention and of the feed-forward layer's GELU, side by side. A function of its
  /// own, so that its values are freed before the output layer runs. `[B, T + S, D] -> [B, T + S, 5
  /// D]`
  private func joined(_ input: Tensor, _ rotation: FluxRotation) -> Tensor {
    let attended = attention(
      rotation(queryKeyValue.queries(input)), rotation(queryKeyValue.keys(input)),
      queryKeyValue.values(input))
    return Tensor.cat([attended, up(input).gelu(approximate: .tanh)], dim: 2)
  }
}

extension Tensor {
  /// In float16, limited to its finite range, as in diffusers.
  fileprivate func limited() -> Tensor { dtype == .float16 ? clamped(-65504, 65504) : self }
}
