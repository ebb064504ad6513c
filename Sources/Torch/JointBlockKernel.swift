internal import CTorch

/// One block of a transformer over two streams of tokens (MMDiT), evaluated by one kernel instead of
/// a hundred operators; for small models on the processor, where `Tensor.allowsKernels`.
///
/// B samples, S and T tokens, width D. Weights are read once in each scope of
/// `TorchRuntime.withSingleThreadedOps`, inside of which they do not change, and once for each batch of
/// a `ThreadedBatch`, where the kernel records its derivative.
package final class JointBlockKernel {
  /// A linear layer: `[out, in]`, `[out]`.
  package struct Layer {
    let weight: Tensor
    let bias: Tensor?

    package init(weight: Tensor, bias: Tensor?) {
      self.weight = weight
      self.bias = bias
    }

    /// What the kernel takes: float32 on the CPU, sizes that are multiples of 16, a weight that the
    /// second cache holds.
    fileprivate var isSuitable: Bool {
      let sizes = weight.shape
      return weight.device == .cpu && weight.dtype == .float32 && weight.isContiguous
        && sizes.allSatisfy { $0 % 16 == 0 } && weight.count <= 1 << 20
        && bias?.dtype ?? .float32 == .float32
    }
  }

  /// What the tokens of one stream go through.
  package struct Stream {
    let modulation, key, value: Layer
    let query, output, up, down: Layer?
    let queryNorm, keyNorm: Tensor?

    /// - Parameters:
    ///   - modulation: shift, scale and gate of attention and of the feed-forward layers; in the
    ///     last block's text, of which no more than keys and values is asked, scale and shift.
    ///   - feedForward: nil for the last block's text, as are `query` and `output`.
    ///   - norms: learned scales `[D / heads]` of queries and keys; nil without the norm.
    package init(
      modulation: Layer, query: Layer?, key: Layer, value: Layer, output: Layer?,
      feedForward: (up: Layer, down: Layer)?, norms: (query: Tensor, key: Tensor)?
    ) {
      self.modulation = modulation
      self.query = query
      self.key = key
      self.value = value
      self.output = output
      (up, down) = (feedForward?.up, feedForward?.down)
      (queryNorm, keyNorm) = (norms?.query, norms?.key)
    }

    fileprivate var layers: [Layer?] { [modulation, query, key, value, output, up, down] }

    fileprivate var isSuitable: Bool {
      layers.allSatisfy { $0?.isSuitable ?? true }
        && [queryNorm, keyNorm].allSatisfy { $0?.dtype ?? .float32 == .float32 }
    }
  }

  private let handle: OpaquePointer
  private let isLast: Bool

  /// nil where the sizes, the types or the processor are others than the kernel's.
  package init?(_ first: Stream, _ second: Stream, heads: Int) {
    let width = first.key.weight.shape[0]
    guard first.output != nil, first.isSuitable, second.isSuitable, width / heads % 16 == 0,
      let handle = ctorch_joint_block([first, second].map(\.handles), Int64(heads), Int64(width))
    else { return nil }
    self.handle = handle
    isLast = second.output == nil
  }

  deinit { ctorch_joint_block_release(handle) }

  /// `[B, S, D], [B, T, D], [B, D] -> the first two; the second is nil in the last block`
  ///
  /// - Parameters:
  ///   - keyBias: added to the logits, `[1, 1, 1, S + T]`.
  ///   - epsilon: added to the variance of layer norms and to mean squares.
  package func callAsFunction(
    _ first: Tensor, _ second: Tensor, conditioning: Tensor, keyBias: Tensor?, epsilon: Double
  ) -> (first: Tensor, second: Tensor?) {
    let inputs = [first, second, conditioning].map { $0.contiguous() }
    let bias = keyBias?.contiguous()
    if ctorch_records_rows() { return recorded(inputs, bias, epsilon) }
    let out = Tensor.empty(first.shape, dtype: .float32, device: .cpu)
    let secondOut = isLast ? nil : Tensor.empty(second.shape, dtype: .float32, device: .cpu)
    ctorch_joint_block_run(
      handle, inputs[0].handle, inputs[1].handle, inputs[2].handle, bias?.handle, epsilon,
      out.handle, secondOut?.handle)
    withExtendedLifetime((inputs, bias)) {}
    return (out, secondOut)
  }
}

extension JointBlockKernel {
  /// Whether the kernel may take a block's place for these tokens: where kernels may, and in a
  /// `ThreadedBatch`, whose threads each have operators of their own.
  package static func applies(to x: Tensor) -> Bool {
    x.allowsKernels
      || x.device == .cpu && x.dtype == .float32 && ctorch_records_rows()
  }

  private func recorded(
    _ inputs: [Tensor], _ bias: Tensor?, _ epsilon: Double
  ) -> (first: Tensor, second: Tensor?) {
    var first: OpaquePointer?
    var second: OpaquePointer?
    let succeeded = ctorch_joint_block_record(
      handle, inputs[0].handle, inputs[1].handle, inputs[2].handle, bias?.handle, epsilon, &first,
      &second)
    withExtendedLifetime((inputs, bias)) {}
    guard succeeded, let first else {
      failed("joint block")
    }
    return (Tensor(owning: first), second.map { Tensor(owning: $0) })
  }
}

extension JointBlockKernel.Stream {
  fileprivate var handles: CTorchBlockStream {
    func handles(_ layer: JointBlockKernel.Layer?) -> CTorchLayer {
      CTorchLayer(weight: layer?.weight.handle, bias: layer?.bias?.handle)
    }
    return CTorchBlockStream(
      modulation: handles(modulation), query: handles(query), key: handles(key),
      value: handles(value), output: handles(output), up: handles(up), down: handles(down),
      query_norm: queryNorm?.handle, key_norm: keyNorm?.handle)
  }
}
