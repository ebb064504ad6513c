import Torch
import TorchNN

/// One block over image and text tokens (diffusers' `JointTransformerBlock`, MMDiT).
///
/// Both streams are normalized without learned weights and modulated by the timestep and pooled
/// prompt; `conditioning` is that vector after SiLU, computed once for all blocks.
struct SD3TransformerBlock {
  let modulation: Modulation  // 6 parts or, with a second attention, 9
  let textModulation: Modulation  // 6 parts, 2 in the last block
  let attention: SD3JointAttention
  let selfAttention: SD3SelfAttention?
  let feedForward: FeedForward
  let textFeedForward: FeedForward?
  /// Computes a block without second attention as a whole, if such a kernel is installed.
  private let fused: (any FusedJointBlock)?

  init(
    _ configuration: SD3TransformerConfiguration, layer: Int, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    let isDual = configuration.dualAttentionLayers.contains(layer)
    let isLast = layer == configuration.numLayers - 1
    modulation = try Modulation(width, parts: isDual ? 9 : 6, parameters["norm1"]["linear"])
    textModulation = try Modulation(
      width, parts: isLast ? 2 : 6, parameters["norm1_context"]["linear"])
    attention = try SD3JointAttention(configuration, isLast: isLast, parameters["attn"])
    selfAttention = isDual ? try SD3SelfAttention(configuration, parameters["attn2"]) : nil
    feedForward = try FeedForward(width, parameters["ff"])
    textFeedForward = isLast ? nil : try FeedForward(width, parameters["ff_context"])
    fused =
      isDual
      ? nil
      : JointBlockLayers(
        first: attention.image.stream(modulation, attention.imageOutput, feedForward),
        second: attention.text.stream(textModulation, attention.textOutput, textFeedForward),
        heads: attention.image.heads, epsilon: normEpsilon
      ).fused()
  }

  /// `keyBias` is added to the logits of the keys, image before text.
  /// `[B, S, D], [B, T, D], [B, D] -> the first two; the text is nil after the last block`
  func callAsFunction(
    _ image: Tensor, _ text: Tensor, conditioning: Tensor, keyBias: Tensor?
  ) -> (image: Tensor, text: Tensor?) {
    if let fused, fused.accepts(image, text) {
      let (image, text) = fused(image, text, conditioning: conditioning, keyBias: keyBias)
      return (image, text)
    }
    let parts = modulation.parts(conditioning)
    let textParts = textModulation.parts(conditioning)
    // The last block's modulation of the text is that of the final layer, scale before shift.
    let (textShift, textScale) = textFeedForward == nil ? (1, 0) : (0, 1)
    let (attended, textAttended) = attention(
      modulatedNorm(image, shift: parts[0], scale: parts[1]),
      modulatedNorm(text, shift: textParts[textShift], scale: textParts[textScale]),
      keyBias: keyBias)

    var result = gated(image, parts[2], attended)
    if let selfAttention {
      let second = selfAttention(modulatedNorm(image, shift: parts[6], scale: parts[7]))
      result = gated(result, parts[8], second)
    }
    let update = feedForward(modulatedNorm(result, shift: parts[3], scale: parts[4]))
    result = gated(result, parts[5], update)

    guard let textFeedForward, let textAttended else { return (result, nil) }
    let context = gated(text, textParts[2], textAttended)
    let textUpdate = textFeedForward(
      modulatedNorm(context, shift: textParts[3], scale: textParts[4]))
    return (result, gated(context, textParts[5], textUpdate))
  }
}

extension QueryKeyValue {
  /// The layers of one stream for a fused block; `output` and `feedForward` are nil for the text of
  /// the last block.
  fileprivate func stream(
    _ modulation: Modulation, _ output: Linear?, _ feedForward: FeedForward?
  ) -> JointBlockLayers.Stream {
    let norms = queryNorm?.weight.flatMap { query in
      keyNorm?.weight.map { (query: query, key: $0) }
    }
    return JointBlockLayers.Stream(
      modulation: modulation.linear, query: output == nil ? nil : query, key: key, value: value,
      output: output, feedForward: feedForward.map { ($0.up, $0.down) }, norms: norms)
  }
}
