import Torch
import TorchNN

/// A block with a stream each for image and text (diffusers' `FluxTransformerBlock`,
/// `QwenImageTransformerBlock`).
///
/// Both streams are normalized without learned weights and modulated by `conditioning`, the vector
/// of timestep and whatever else conditions the blocks, after SiLU. Attention covers both, text
/// before image. B samples, S image tokens, T text tokens, width D.
struct DoubleStreamBlock {
  /// The names of a stream's layers outside attention, in a checkpoint.
  struct Names {
    /// The linear layer of the modulation, and the feed-forward layer.
    let modulation, feedForward: String
  }

  /// One of the two streams.
  private struct Stream {
    let modulation: Modulation
    let attention: QueryKeyValue
    let output: Linear
    let feedForward: FeedForward

    init(
      _ width: Int, heads: Int, _ names: Names, _ keys: QueryKeyValue.Keys,
      output: ParameterScope, _ parameters: ParameterScope
    ) throws(ParameterError) {
      modulation = try Modulation(width, parts: 6, parameters[names.modulation])
      attention = try QueryKeyValue(
        width, heads: heads, isNormalized: true, keys: keys, parameters["attn"])
      self.output = try Linear(width, width, output)
      feedForward = try FeedForward(width, parameters[names.feedForward])
    }
  }

  private let image: Stream
  private let text: Stream

  init(
    _ width: Int, heads: Int, _ names: (image: Names, text: Names), _ parameters: ParameterScope
  ) throws(ParameterError) {
    let attention = parameters["attn"]
    image = try Stream(
      width, heads: heads, names.image, .image, output: attention["to_out"][0], parameters)
    text = try Stream(
      width, heads: heads, names.text, .text, output: attention["to_add_out"], parameters)
  }

  /// `[B, S, D], [B, T, D], [B, D] -> the first two`
  ///
  /// - Parameters:
  ///   - keyBias: added to the logits of the keys, `[B, 1, 1, T + S]`; nil adds nothing.
  ///   - updatesText: false where nothing follows that depends on the text, whose values are then
  ///     returned as they are.
  func callAsFunction(
    image x: Tensor, text context: Tensor, conditioning: Tensor, _ rotation: PairRotation,
    keyBias: Tensor? = nil, updatesText: Bool = true
  ) -> (image: Tensor, text: Tensor) {
    let streams = [(text, context), (image, x)]
    let parts = streams.map { $0.0.modulation.parts(conditioning) }
    let inputs = zip(streams, parts).map { stream, parts in
      (stream.0.attention, modulatedNorm(stream.1, shift: parts[0], scale: parts[1]))
    }
    let attended = attention(
      rotation(Tensor.cat(inputs.map { $0.queries($1) }, dim: 1)),
      rotation(Tensor.cat(inputs.map { $0.keys($1) }, dim: 1)),
      Tensor.cat(inputs.map { $0.values($1) }, dim: 1), keyBias: keyBias)
    func result(_ index: Int, start: Int) -> Tensor {
      let ((layers, x), parts) = (streams[index], parts[index])
      let own = attended.narrowed(dim: 1, start: start, length: x.shape[1])
      let result = gated(x, parts[2], layers.output(own))
      let update = layers.feedForward(modulatedNorm(result, shift: parts[3], scale: parts[4]))
      return gated(result, parts[5], update)
    }
    return (
      result(1, start: context.shape[1]), updatesText ? result(0, start: 0) : context
    )
  }
}

extension Tensor {
  /// In float16, limited to its finite range, as in diffusers.
  func limited() -> Tensor { dtype == .float16 ? clamped(-65504, 65504) : self }
}
