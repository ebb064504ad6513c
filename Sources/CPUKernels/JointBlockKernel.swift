internal import CCPUKernels
package import Torch
package import TorchNN

/// A joint block and its gradient as one kernel instead of a hundred operators, for small models in
/// float32 on CPUs with AVX-512 or AVX2.
///
/// It runs within `TorchRuntime.withSingleThreadedOps` without gradients, and in the parts of a
/// `ThreadedBatch` with gradients. Weights are packed once in each such scope, and must not change
/// within it.
package final class JointBlockKernel: FusedJointBlock {
  /// Maximum tokens of both streams; attention keeps the logits of 16 queries over all keys in L1.
  private static let maxTokens = 256

  private let handle: OpaquePointer
  private let epsilon: Double

  /// nil for a layer with an adapter or a weight that moves, or for unsupported sizes, types or
  /// devices.
  package init?(_ layers: JointBlockLayers) {
    let width = layers.first.key.weight.shape[0]
    guard layers.first.output != nil, layers.first.isSuitable, layers.second.isSuitable,
      width / layers.heads % 16 == 0,
      let handle = cpu_joint_block(
        [layers.first, layers.second].map(\.handles), Int64(layers.heads), Int64(width))
    else { return nil }
    self.handle = handle
    epsilon = layers.epsilon
  }

  deinit { cpu_joint_block_release(handle) }

  /// Whether the tokens are float32 on the CPU, and this thread runs single-threaded operators.
  /// Outside those scopes libtorch's operators compute the block, with several threads each.
  package func accepts(_ first: Tensor, _ second: Tensor) -> Bool {
    guard first.device == .cpu, first.dtype == .float32,
      first.shape[1] + second.shape[1] <= Self.maxTokens
    else { return false }
    return TorchRuntime.recordsThreadedBatch
      || TorchRuntime.runsSingleThreadedOps && !isRecordingGradients
  }

  package func callAsFunction(
    _ first: Tensor, _ second: Tensor, conditioning: Tensor, keyBias: Tensor?
  ) -> (first: Tensor, second: Tensor?) {
    let inputs = [first, second, conditioning].map { $0.contiguous() }
    let bias = keyBias?.contiguous()
    var outputs: [OpaquePointer?] = [nil, nil]
    let succeeded = cpu_joint_block_forward(
      handle, inputs.map { Optional($0.handle) }, bias?.handle, epsilon,
      TorchRuntime.recordsThreadedBatch, &outputs)
    withExtendedLifetime((inputs, bias)) {}
    guard succeeded, let output = outputs[0] else { failed("joint block") }
    return (Tensor(owning: output), outputs[1].map { Tensor(owning: $0) })
  }
}

extension Linear {
  /// Whether the kernel supports the layer: float32 on the CPU, sizes that are multiples of 16, a
  /// weight of at most 4 MiB that stays in place, no adapter.
  fileprivate var isSuitable: Bool {
    weight.device == .cpu && weight.dtype == .float32 && weight.isContiguous && !hasAdapter
      && !isMoved
      && weight.shape.allSatisfy { $0 % 16 == 0 } && weight.count <= 1 << 20
      && bias?.dtype ?? .float32 == .float32
  }

  fileprivate var handles: CPULinear { CPULinear(weight: weight.handle, bias: bias?.handle) }
}

extension JointBlockLayers.Stream {
  fileprivate var isSuitable: Bool {
    layers.allSatisfy(\.isSuitable)
      && [norms?.query, norms?.key].allSatisfy { $0?.dtype ?? .float32 == .float32 }
  }

  fileprivate var handles: CPUBlockStream {
    func handles(_ layer: Linear?) -> CPULinear { layer?.handles ?? CPULinear() }
    return CPUBlockStream(
      modulation: modulation.handles, query: handles(query), key: key.handles,
      value: value.handles, output: handles(output), up: handles(feedForward?.up),
      down: handles(feedForward?.down), query_norm: norms?.query.handle,
      key_norm: norms?.key.handle)
  }
}
