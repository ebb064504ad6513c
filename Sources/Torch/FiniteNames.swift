/// The first of named tensors that holds NaN or infinity; nil when all numbers are finite.
///
/// Reads every number once, at about the speed of memory: one sum per tensor, and one read of all
/// sums, so that a GPU is waited for once. A sum is not finite where a number is not, and may leave
/// the range where all are; only such a tensor is looked at number by number. Meta tensors,
/// integers and floating-point numbers of 8 bits are passed over.
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
