import TestSupport
import Testing
import Torch

private func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
  Tensor.randn(shape, generator: Generator(seed: seed))
}

@Suite struct KernelTests {
  @Test func `the modulated norm is a layer norm, scaled and moved`() {
    for (tokens, width) in [(1, 16), (5, 96), (3, 1536)] {
      let x = normal([2, tokens, width], 2) * 3 + 1
      let parts = normal([2, 1, 6 * width], 3).chunked(6, dim: 2)
      let normed = x.layerNorm(shape: [width], weight: nil, bias: nil, eps: 1e-6)
      let expected = parts[3] + normed * (parts[4] + 1.0)
      let found = x.modulatedNorm(shift: parts[3], scale: parts[4], eps: 1e-6)
      #expect(relativeError(found, expected) < 1e-6)
    }
  }

  @Test func `kernels apply where a rollout's rows are spread over threads, and nowhere else`() {
    let x = normal([2, 16], 1)
    let others = [
      normal([2, 15], 1), x.to(.float64), x.to(.bfloat16),
      Tensor.zeros([2, 16], dtype: .float32, device: .meta),
    ]
    let (plain, recording, rest) = TorchRuntime.withSingleThreadedOps {
      (
        withoutGradient { x.allowsKernels }, withGradient { x.allowsKernels },
        withoutGradient { others.map(\.allowsKernels) }
      )
    }
    #expect(plain)
    #expect(withoutGradient { !x.allowsKernels })
    #expect(!recording)
    #expect(rest == [false, false, false, false])
  }
}
