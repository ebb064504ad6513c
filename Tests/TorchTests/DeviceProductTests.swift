import TestSupport
import Testing
import Torch

/// Which sums of half-precision products a GPU may split. Only a simulated device counts them.
@Suite(
  .serialized,
  .enabled(if: SimulatedCUDA.current != nil, "counts products of a simulated CUDA device"))
struct DeviceProductTests {
  @Test(arguments: [DType.bfloat16, .float16])
  func `sums are split in backward passes alone`(dtype: DType) throws {
    let simulated = try #require(SimulatedCUDA.current)
    let x = Tensor.ones([4, 8], dtype: dtype, device: .cuda(0))
    let weight = Tensor.ones([6, 8], dtype: dtype, device: .cuda(0))
    weight.requiresGradient = true
    for _ in 0..<2 {
      simulated.reset()
      let y = x.linear(weight: weight, bias: nil)
      #expect(simulated.splitProducts == 0)
      y.backward(gradient: Tensor.ones([4, 6], dtype: dtype, device: .cuda(0)))
      #expect(simulated.splitProducts == 1)
    }
  }
}
