internal import Synchronization
package import Torch

/// A transformer block whose attention joins two streams of tokens (diffusers'
/// `JointTransformerBlock`), computed as a whole in place of its operators.
///
/// B samples, S and T tokens of the streams, width D.
package protocol FusedJointBlock {
  /// Whether it computes the block for these tokens on this thread: their device, precision and
  /// number, and the scope that the thread is in.
  func accepts(_ first: Tensor, _ second: Tensor) -> Bool

  /// `[B, S, D], [B, T, D], [B, D] -> the first two; the second is nil where its stream ends`
  ///
  /// - Parameter keyBias: added to the logits of the keys, first stream before second,
  ///   `[1, 1, 1, S + T]`.
  func callAsFunction(
    _ first: Tensor, _ second: Tensor, conditioning: Tensor, keyBias: Tensor?
  ) -> (first: Tensor, second: Tensor?)
}

/// The layers of a joint block, for an implementation that computes it as a whole.
package struct JointBlockLayers {
  /// The layers of one stream of tokens.
  package struct Stream {
    package let modulation, key, value: Linear
    package let query, output: Linear?
    package let feedForward: (up: Linear, down: Linear)?
    package let norms: (query: Tensor, key: Tensor)?

    /// - Parameters:
    ///   - modulation: shift, scale and gate of attention and of the feed-forward layers; scale and
    ///     shift where the stream ends.
    ///   - query: nil, as `output` and `feedForward`, where the stream ends with the block, whose
    ///     attention reads no more than its keys and values.
    ///   - norms: learned scales `[D / heads]` of the RMS norms of queries and keys; nil without.
    package init(
      modulation: Linear, query: Linear?, key: Linear, value: Linear, output: Linear?,
      feedForward: (up: Linear, down: Linear)?, norms: (query: Tensor, key: Tensor)?
    ) {
      self.modulation = modulation
      self.query = query
      self.key = key
      self.value = value
      self.output = output
      self.feedForward = feedForward
      self.norms = norms
    }

    package var layers: [Linear] {
      [modulation, query, key, value, output, feedForward?.up, feedForward?.down].compactMap { $0 }
    }
  }

  package let first, second: Stream
  package let heads: Int
  /// Added to the variance of layer norms and to mean squares.
  package let epsilon: Double

  package init(first: Stream, second: Stream, heads: Int, epsilon: Double) {
    self.first = first
    self.second = second
    self.heads = heads
    self.epsilon = epsilon
  }
}

extension JointBlockLayers {
  /// Makes the fused block of some layers; nil where their sizes, types or adapters rule it out.
  package typealias Fusion = @Sendable (JointBlockLayers) -> (any FusedJointBlock)?

  private static let installed = Mutex<Fusion?>(nil)

  /// Makes fused blocks for the networks that are built from now on; nil leaves blocks to
  /// libtorch's operators.
  package static var fusion: Fusion? {
    get { installed.withLock { $0 } }
    set { installed.withLock { $0 = newValue } }
  }

  /// These layers as a fused block; nil without one.
  package func fused() -> (any FusedJointBlock)? { Self.fusion?(self) }
}
