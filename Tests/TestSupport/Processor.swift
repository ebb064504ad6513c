package import CPUKernels
package import Torch

/// Why a kernel of this package cannot be used in this process: the processor lacks what it needs, or
/// the environment (`TEMPFLOW_CPU_KERNELS`) leaves it out; nil where it can.
package func whyOff(_ kernel: CPUKernel) -> String? {
  do {
    return kernel.offReason(among: try CPUKernel.chosenByEnvironment())
      .map { "the kernel \(kernel.name) is off: \($0)" }
  } catch {
    return error.description
  }
}

/// Whether libtorch rounds a row of a product in `dtype` the same way in any batch.
///
/// On some processors its kernels in half precision are chosen by the number of rows. The width is a
/// full transformer's, because it affects the choice.
package func rowsRoundAlike(_ dtype: DType) -> Bool { rowsRoundAlike(dtype, counts: [2, 5, 16]) }

/// Whether libtorch rounds a row of a float32 product the same way in any batch of four rows or
/// more, on one thread. For fewer, MKL has other kernels.
package var batchesOfFourRoundAlike: Bool {
  TorchRuntime.withThreads(1) { rowsRoundAlike(.float32, counts: [4, 5, 7, 16, 33]) }
}

private func rowsRoundAlike(_ dtype: DType, counts: [Int]) -> Bool {
  func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
    Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype)
  }
  let (x, weight) = (normal([64, 1536], 1), normal([1536, 1536], 2))
  let all = x.linear(weight: weight, bias: nil)
  return counts.allSatisfy { count in
    let part = x.narrowed(dim: 0, start: 0, length: count).linear(weight: weight, bias: nil)
    return part.floats() == all.narrowed(dim: 0, start: 0, length: count).floats()
  }
}

/// Whether libtorch's convolution of 3 x 3 in `dtype` holds no more than its input in another layout
/// and its output. Where no kernel of its libraries takes the type it unfolds the image: nine times
/// the input, at a fortieth of the rate.
package func convolvesInPlace(_ dtype: DType) -> Bool {
  let image = Tensor.zeros([1, 16, 512, 512], dtype: dtype)
  let weight = Tensor.zeros([1, 16, 3, 3], dtype: dtype)
  TorchRuntime.releaseFreedMemory()
  TorchRuntime.resetPeakMemory(.cpu)
  guard let before = TorchRuntime.peakMemory(.cpu) else { return false }
  withoutGradient { _ = image.conv2d(weight: weight, bias: nil, padding: 1) }
  guard let after = TorchRuntime.peakMemory(.cpu) else { return false }
  return after - before < 4 * image.count * dtype.byteCount
}
