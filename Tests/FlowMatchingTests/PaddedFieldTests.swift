import FlowMatching
import TestSupport
import Testing
import Torch

@Suite struct PaddedFieldTests {
  private let weight: Tensor = {
    let weight = Tensor.randn([3], generator: Generator(seed: 4))
    weight.requiresGradient = true
    return weight
  }()

  @Test func `every call has one size, and rows and gradients equal the field's`() {
    var sizes: [Int] = []
    let field: VelocityField = { [weight] latents, sigma, promptIndices in
      sizes.append(promptIndices.count)
      #expect(latents.shape[0] == promptIndices.count && sigma.shape == [promptIndices.count])
      let indices = Tensor(promptIndices.map(Float.init), shape: [promptIndices.count, 1])
      return (latents * weight + sigma.unsqueezed(1)).tanh() * (indices + 1.0)
    }
    for count in [1, 3, 4] {
      let latents = Tensor.randn([count, 3], generator: Generator(seed: 5))
      let sigma = Tensor.rand([count], generator: Generator(seed: 6))
      let results = [field, padded(field, to: 4)].map { field in
        let velocity = withGradient { field(latents, sigma, Array((0..<count).reversed())) }
        velocity.backward(gradient: Tensor.ones(velocity.shape))
        defer { weight.gradient = nil }
        return (velocity.detached(), weight.gradient!.clone())
      }
      #expect(results[1].0.shape == [count, 3])
      #expect(largestDifference(results[0].0, results[1].0) == 0)
      #expect(largestDifference(results[0].1, results[1].1) < 1e-6)
    }
    #expect(sizes == [1, 4, 3, 4, 4, 4])
  }
}
