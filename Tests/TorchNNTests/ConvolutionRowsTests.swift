import Testing
import Torch
import TorchNN

/// Images go through a convolution with the bits that they have among others, so that batches can
/// be cut and divided among processes.
struct ConvolutionRowsTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let channels: Int, side: Int, kernel: Int
    var stride = 1

    var testDescription: String { "\(channels) x \(side)², kernel \(kernel), stride \(stride)" }
  }

  @Test(arguments: [
    Case(channels: 16, side: 16, kernel: 1), Case(channels: 32, side: 32, kernel: 1),
    Case(channels: 4, side: 8, kernel: 3), Case(channels: 4, side: 48, kernel: 3),
    Case(channels: 32, side: 32, kernel: 3), Case(channels: 16, side: 8, kernel: 2, stride: 2),
    Case(channels: 8, side: 16, kernel: 1, stride: 2),
  ])
  func `an image has the same bits in batches of all sizes`(_ example: Case) throws {
    let (channels, side) = (example.channels, example.side)
    let store = ParameterStore(.random(Generator(seed: 1)))
    let layer = try Conv2d(
      channels, 24, kernel: example.kernel, stride: example.stride,
      padding: example.kernel == 3 ? 1 : 0, store.root)
    let images = Tensor.randn(
      [20, channels, side, side], generator: Generator(seed: 2))
    TorchRuntime.withSingleThreadedOps {
      let together = layer(images)
      for count in [1, 2, 3, 14, 15, 16, 17] {
        let alone = layer(images.narrowed(dim: 0, start: 0, length: count))
        #expect(
          alone.floats() == together.narrowed(dim: 0, start: 0, length: count).floats(),
          "\(count) images")
      }
    }
  }
}
