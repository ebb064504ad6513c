import TestSupport
import Testing
import Torch

private func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
  Tensor.randn(shape, generator: Generator(seed: seed))
}

/// The composition of operators that `Tensor.jointAttention` replaces.
private func composed(
  _ streams: [AttentionStream], heads: Int, bias: Tensor?
) -> Tensor {
  func heads_(_ x: Tensor, _ norm: Tensor?) -> Tensor {
    let split = x.reshaped([x.shape[0], x.shape[1], heads, x.shape[2] / heads])
    return (norm.map { split.rmsNorm(shape: [$0.count], weight: $0, eps: 1e-6) } ?? split)
      .transposed(1, 2)
  }
  let queries = streams.compactMap { stream in
    stream.query.map { heads_($0, stream.queryNorm) }
  }
  return Tensor.scaledDotProductAttention(
    Tensor.cat(queries, dim: 2),
    Tensor.cat(streams.map { heads_($0.key, $0.keyNorm) }, dim: 2),
    Tensor.cat(streams.map { heads_($0.value, nil) }, dim: 2), mask: bias
  ).transposed(1, 2).flattened(from: 2, to: 3)
}

@Suite struct KernelTests {
  @Test func `GELU is the operator's, to the ends of the range`() {
    let ends: [Float] = [-200, -88, -20, -5, -1e-6, 0, 1e-30, 5, 20, 88, 200, 1e19, -1e19, 3, -3, 1]
    for x in [Tensor(ends, shape: [16]), normal([7, 48], 1)] {
      let expected = x.gelu(approximate: .tanh)
      let found = x.clone()
      found.geluTanh_()
      #expect(relativeError(found, expected) < 1e-6)
    }
  }

  @Test func `what is not a number stays so`() {
    let x = Tensor([Float](repeating: .nan, count: 16), shape: [16])
    x.geluTanh_()
    #expect(x.floats().allSatisfy { $0.isNaN })
  }

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

  @Test(arguments: [(16, 15, 3, 32), (1, 1, 1, 16), (7, 30, 2, 48), (200, 56, 2, 64)])
  func `attention of two streams is the operators'`(
    first: Int, second: Int, heads: Int, width: Int
  ) {
    let model = heads * width
    func stream(_ tokens: Int, _ seed: UInt64, asks: Bool, norms: Bool) -> AttentionStream {
      AttentionStream(
        query: asks ? normal([2, tokens, model], seed) : nil,
        key: normal([2, tokens, model], seed + 1), value: normal([2, tokens, model], seed + 2),
        queryNorm: norms ? normal([width], seed + 3) : nil,
        keyNorm: norms ? normal([width], seed + 4) : nil)
    }
    let bias = normal([1, 1, 1, first + second], 9)
    for (asks, norms, bias) in [(true, true, bias), (false, true, bias), (true, false, nil)] {
      let streams = [
        stream(first, 10, asks: true, norms: norms), stream(second, 20, asks: asks, norms: norms),
      ]
      let (image, text) = Tensor.jointAttention(
        streams[0], streams[1], heads: heads, keyBias: bias, eps: 1e-6)
      #expect((text != nil) == asks)
      let expected = composed(streams, heads: heads, bias: bias)
      let found = Tensor.cat([image] + [text].compactMap { $0 }, dim: 1)
      #expect(relativeError(found, expected) < 1e-5)
    }
  }

  @Test func `kernels apply where a rollout's rows are spread over threads, and nowhere else`() {
    let x = normal([2, 16], 1)
    let others = [
      normal([2, 15], 1), x.to(.float64), x.to(.bfloat16),
      Tensor.zeros([2, 16], dtype: .float32, device: .meta),
    ]
    let (plain, recording, rest) = TorchRuntime.withSerialOperators {
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
