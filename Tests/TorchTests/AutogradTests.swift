import Testing
import Torch

private func leaf(_ values: [Float]) -> Tensor {
  let tensor = Tensor(values, shape: [values.count])
  tensor.requiresGradient = true
  return tensor
}

@Suite struct AutogradTests {
  @Test func `backward accumulates into leaves`() {
    let x = leaf([1, 2, 3])
    (x * x).sum().backward()
    #expect(x.gradient?.floats() == [2, 4, 6])
    (x * x).backward(gradient: Tensor([1, 0, -1] as [Float], shape: [3]))
    #expect(x.gradient?.floats() == [4, 4, 0])
    x.gradient = nil
    #expect(x.gradient == nil)
  }

  @Test func `gradients do not change leaves and are nil for unused inputs`() {
    let x = leaf([1, 2])
    let unused = leaf([1])
    let found = Tensor.gradients(of: [(x * x * x).sum()], withRespectTo: [x, unused])
    #expect(found[0]?.floats() == [3, 12])
    #expect(found[1] == nil)
    #expect(x.gradient == nil)
  }

  @Test func `withoutGradient records nothing and restores the mode after a throw`() {
    struct Failure: Error {}
    let x = leaf([1])
    #expect(withoutGradient { (x + x).requiresGradient } == false)
    #expect(withoutGradient { withGradient { (x + x).requiresGradient } })
    #expect(throws: Failure.self) {
      try withoutGradient { () throws(Failure) in throw Failure() }
    }
    #expect((x + x).requiresGradient)
    #expect((x + x).detached().requiresGradient == false)
  }
}

@Suite struct GeneratorTests {
  @Test func `a stream is a function of its seed`() {
    let first = Tensor.randn([64], generator: Generator(seed: 7))
    let again = Tensor.randn([64], generator: Generator(seed: 7))
    let other = Tensor.randn([64], generator: Generator(seed: 8))
    #expect(first.floats() == again.floats())
    #expect(first.floats() != other.floats())
  }

  @Test func `a stream continues from its saved state`() {
    let generator = Generator(seed: 1)
    _ = Tensor.randn([17], generator: generator)
    let state = generator.state
    let expected = Tensor.rand([33], generator: generator).floats()
    let restored = Generator(seed: 99)
    restored.state = state
    #expect(Tensor.rand([33], generator: restored).floats() == expected)
    generator.reseed(1)
    #expect(
      Tensor.randint(low: 0, high: 9, shape: [50], generator: generator).ints()
        .allSatisfy { (0..<9).contains($0) })
  }
}

@Suite struct NetworkOperatorTests {
  @Test func `attention equals an explicit softmax`() {
    let generator = Generator(seed: 3)
    let q = Tensor.randn([2, 3, 5, 4], generator: generator)
    let k = Tensor.randn([2, 3, 7, 4], generator: generator)
    let v = Tensor.randn([2, 3, 7, 4], generator: generator)
    let expected = (q.matmul(k.transposed(-2, -1)) * 0.5).softmax(dim: -1).matmul(v)
    let found = Tensor.scaledDotProductAttention(q, k, v)
    // Float32 sums of 7 terms in another order.
    #expect((found - expected).abs().amax().item() < 1e-5)
  }

  @Test func `normalized values have mean 0 and mean square 1`() {
    let x = Tensor.randn([4, 8, 3, 3], generator: Generator(seed: 5)) * 3 + 2
    let grouped = x.groupNorm(groups: 2, weight: nil, bias: nil, eps: 1e-6).reshaped([8, -1])
    #expect(grouped.mean(dims: [1]).abs().amax().item() < 1e-5)
    #expect(abs(grouped.squared().mean().item() - 1) < 1e-4)
    let rows = x.reshaped([96, 3]).rmsNorm(shape: [3], weight: nil, eps: 0)
    #expect((rows.squared().mean(dims: [1]) - 1).abs().amax().item() < 1e-5)
    let layer = x.layerNorm(shape: [3, 3], weight: nil, bias: nil, eps: 1e-6)
    #expect(layer.mean(dims: [2, 3]).abs().amax().item() < 1e-5)
  }

  @Test func `convolution, embedding and upsampling follow their definitions`() {
    let image = Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 2, 2])
    let kernel = Tensor.ones([1, 1, 3, 3])
    #expect(image.conv2d(weight: kernel, bias: nil, padding: 1).floats() == [10, 10, 10, 10])
    #expect(image.upsampledNearest(factor: 2).selected(dim: 2, index: 3).floats() == [3, 3, 4, 4])
    let table = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
    #expect(
      table.embedding(Tensor([1, 1, 0] as [Int], shape: [3])).floats() == [3, 4, 3, 4, 1, 2])
    let activated = Tensor([-1, 0, 2] as [Float], shape: [3])
    #expect(activated.relu().floats() == [0, 0, 2])
    #expect((activated.silu() - activated * activated.sigmoid()).abs().amax().item() < 1e-7)
    #expect(abs(activated.gelu().floats()[2] - 1.9544997) < 1e-6)
    #expect(abs(activated.gelu(approximate: .tanh).floats()[2] - 1.9545977) < 1e-6)
  }

  @Test func `a float16 tensor rounds and a bfloat16 tensor rounds more`() {
    let value = Tensor([1.0009765625 + 0.0001] as [Float], shape: [1])
    #expect(value.to(.float16).item() == 1.0009765625)
    #expect(value.to(.bfloat16).item() == 1)
  }
}
