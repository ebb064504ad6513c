import Torch

/// How a model is led toward the prompt.
public enum Guidance: Hashable, Sendable {
  /// The velocity under the prompt as it is.
  case none
  /// The scale is an input of the network, as in FLUX.1-dev.
  case embedded(scale: Double)
  /// Classifier-free guidance, `v = u + g (c - u)`, with `c` the velocity under the prompt and `u`
  /// that under the negative prompt. Source: Ho and Salimans, arXiv 2207.12598.
  ///
  /// - Parameter rescalingPatch: the side of the patches in which `v` is scaled to the norm of `c`,
  ///   `v |c| / |v|` over a patch's pixels and channels, as in diffusers' `QwenImagePipeline`; nil
  ///   leaves `v` as it is.
  case classifierFree(scale: Double, rescalingPatch: Int? = nil)

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
    guard case .classifierFree(let scale, let patch) = self else { return field }
    return { latents, sigma, promptIndices in
      let negatives = [Int](repeating: negative, count: promptIndices.count)
      let halves = field(
        Tensor.cat([latents, latents], dim: 0), Tensor.cat([sigma, sigma], dim: 0),
        negatives + promptIndices
      ).chunked(2, dim: 0)
      let guided = halves[0] + (halves[1] - halves[0]) * scale
      return patch.map { guided.rescaled(to: halves[1], patch: $0) } ?? guided
    }
  }
}

extension Tensor {
  /// Each patch scaled to the norm of the same patch of `other`. `[B, C, h, w], [B, C, h, w] -> the
  /// same`
  fileprivate func rescaled(to other: Tensor, patch: Int) -> Tensor {
    let shape = shape
    func split(_ x: Tensor) -> Tensor {
      x.reshaped(shape[..<2] + [shape[2] / patch, patch, shape[3] / patch, patch])
    }
    func norm(_ x: Tensor) -> Tensor { x.norm(dims: [1, 3, 5], keepDim: true) }
    let own = split(self)
    return (own * (norm(split(other)) / norm(own))).reshaped(shape)
  }
}
