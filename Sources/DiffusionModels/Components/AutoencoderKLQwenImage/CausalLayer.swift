import Torch

/// A part of the encoder or the decoder.
protocol CausalLayer {
  /// One chunk of a video; without a cache, its only frame.
  /// `[B, in, T, h, w] -> [B, out, T', h', w']`
  func callAsFunction(_ x: Tensor, _ cache: FrameCache?) -> Tensor
}

extension [any CausalLayer] {
  /// Applies the layers in turn. An input is released once the next layer has run.
  func callAsFunction(_ x: Tensor, _ cache: FrameCache?) -> Tensor {
    var hidden = x
    for layer in self { hidden = layer(hidden, cache) }
    return hidden
  }
}
