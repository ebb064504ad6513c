import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct CausalConv3dTests {
  /// Sums of 135 products in another order.
  private let tolerance = 1e-6

  private func convolution(stride: Int = 1) throws -> CausalConv3d {
    let store = ParameterStore(.random(Generator(seed: 1)), trainable: .full)
    return try CausalConv3d(5, 4, frames: 3, side: 3, stride: stride, store.root)
  }

  private func video(frames: Int) -> Tensor {
    Tensor.randn([2, 5, frames, 6, 7], generator: Generator(seed: 2))
  }

  @Test func `one frame, with two frames of zeros before it, has the same result and gradients`()
    throws
  {
    func run(_ network: (CausalConv3d, Tensor) -> Tensor) throws -> [Tensor] {
      let (layer, x) = (try convolution(), video(frames: 1))
      x.requiresGradient = true
      let result = network(layer, x)
      result.backward(gradient: Tensor.randn(result.shape, generator: Generator(seed: 3)))
      return [
        result, try #require(x.gradient), try #require(layer.weight.gradient),
        try #require(layer.bias.gradient),
      ]
    }
    let single = try run { layer, x in layer(x) }
    let padded = try run { layer, x in
      x.padded([0, 0, 0, 0, 2, 0]).conv3d(
        weight: layer.weight, bias: layer.bias, padding: [0, 1, 1])
    }
    #expect(single[0].shape == [2, 4, 1, 6, 7])
    for (found, expected) in zip(single, padded) {
      #expect(relativeError(found, expected) < tolerance)
    }
  }

  @Test func `frames after a video's beginning depend on the frames before them`() throws {
    let (layer, x) = (try convolution(), video(frames: 5))
    let (whole, first, second) = withoutGradient {
      (
        layer(x), layer(x.narrowed(dim: 2, 0..<1)),
        layer(x.narrowed(dim: 2, 1..<5), after: x.narrowed(dim: 2, 0..<1))
      )
    }
    #expect(relativeError(Tensor.cat([first, second], dim: 2), whole) < tolerance)
    let later = withoutGradient {
      layer(x.narrowed(dim: 2, 4..<5), after: x.narrowed(dim: 2, 2..<4))
    }
    #expect(relativeError(later, whole.narrowed(dim: 2, 4..<5)) < tolerance)
  }

  @Test func `no frame depends on a later one`() throws {
    let (layer, x) = (try convolution(), video(frames: 4))
    let changed = Tensor.cat(
      [x.narrowed(dim: 2, 0..<3), x.narrowed(dim: 2, 3..<4) + 1], dim: 2)
    let (before, after) = withoutGradient { (layer(x), layer(changed)) }
    func part(_ video: Tensor, _ range: Range<Int>) -> Tensor { video.narrowed(dim: 2, range) }
    #expect(largestDifference(part(before, 0..<3), part(after, 0..<3)) == 0)
    #expect(largestDifference(part(before, 3..<4), part(after, 3..<4)) > 0.01)
  }

  @Test func `a stride of two needs one frame of context and halves the frames`() throws {
    let layer = try convolution(stride: 2)
    let x = video(frames: 5)
    #expect(layer.contextFrames == 1)
    let (chunk, direct) = withoutGradient {
      (
        layer(x.narrowed(dim: 2, 1..<5), after: x.narrowed(dim: 2, 0..<1)),
        x.conv3d(
          weight: layer.weight, bias: layer.bias, stride: [2, 1, 1], padding: [0, 1, 1])
      )
    }
    #expect(chunk.shape == [2, 4, 2, 6, 7])
    #expect(relativeError(chunk, direct) < tolerance)
  }
}
