/// The name of the first tensor that holds NaN or infinity; nil when all numbers are finite.
///
/// Reads every number once, at about the speed of memory: one sum per tensor, and one read of all
/// sums, so that the host waits for a GPU once. A sum with NaN or infinity in it is not finite, and
/// a sum of finite numbers may overflow: tensors whose sum is not finite are checked element by
/// element. Meta tensors, integers and 8-bit floating-point numbers are skipped.
package func firstNonFinite(_ tensors: [(name: String, tensor: Tensor)]) -> String? {
  let real = tensors.filter {
    $0.tensor.device != .meta && $0.tensor.count > 0
      && $0.tensor.dtype.isFloatingPoint && $0.tensor.dtype.byteCount > 1
  }
  guard !real.isEmpty else { return nil }
  return withoutGradient {
    let sums = Tensor.stack(real.map { $0.tensor.detached().sum().to(.float32) }, dim: 0).floats()
    return zip(real, sums).first { entry, sum in
      !sum.isFinite && !entry.tensor.detached().isFinite().all().bools()[0]
    }?.0.name
  }
}
