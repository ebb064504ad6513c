import Torch

/// How a model is led toward the prompt.
public enum Guidance: Hashable, Sendable {
  /// The velocity under the prompt as it is.
  case none
  /// The scale is an input of the network, as in FLUX.1-dev.
  case embedded(scale: Double)
  /// Classifier-free guidance, `v = u + g (c - u)`, with `c` the velocity under the prompt and `u`
  /// that under the negative prompt. Source: Ho and Salimans, arXiv 2207.12598.
  case classifierFree(scale: Double)

  /// Rows of the network that one sample costs.
  public var rowsPerSample: Int { needsNegative ? 2 : 1 }

  /// Whether a negative prompt is evaluated, too.
  public var needsNegative: Bool {
    if case .classifierFree = self { true } else { false }
  }

  /// The scale that the network takes as an input; nil where it takes none.
  public var embeddedScale: Double? {
    if case .embedded(let scale) = self { scale } else { nil }
  }

  /// The guided field: classifier-free guidance evaluates both halves as one batch, the negative
  /// half first. Gradients flow through both.
  ///
  /// - Parameter negative: the prompt index of the negative prompt in `field`.
  public func applied(
    to field: @escaping VelocityField, negative: Int
  ) -> VelocityField {
    guard case .classifierFree(let scale) = self else { return field }
    return { latents, sigma, promptIndices in
      let negatives = [Int](repeating: negative, count: promptIndices.count)
      let halves = field(
        Tensor.cat([latents, latents], dim: 0), Tensor.cat([sigma, sigma], dim: 0),
        negatives + promptIndices
      ).chunked(2, dim: 0)
      return halves[0] + (halves[1] - halves[0]) * scale
    }
  }
}
