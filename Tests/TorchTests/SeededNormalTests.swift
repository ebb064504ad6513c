import Testing
import Torch

@Suite struct SeededNormalTests {
  @Test(arguments: [[16], [48], [256], [624], [640], [4, 30, 30], [16, 64, 64], [5], [3, 7]])
  func `numbers of a seed are libtorch's`(shape: [Int]) {
    let seeds: [UInt64] = [0, 1, 0xFFFF_FFFF, 0x9E37_79B9_7F4A_7C15, 5489]
    let found = Tensor.randn(shape, seeds: seeds, device: .cpu)
    #expect(found.shape == [seeds.count] + shape)
    for (row, seed) in seeds.enumerated() {
      let expected = Tensor.randn(shape, generator: Generator(seed: seed))
      #expect(found.selected(dim: 0, index: row).floats() == expected.floats())
    }
  }
}
