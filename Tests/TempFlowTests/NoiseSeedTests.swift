import Foundations
import TempFlow
import TestSupport
import Testing

@Suite struct NoiseSeedTests {
  @Test func `the device that draws noise may differ from the device that uses it`() {
    let source = NoiseSource(run: 1, epoch: 0, shape: [4], device: .meta, generatorDevice: .cpu)
    #expect(source.initial([TrunkID(prompt: 0, seed: 0)]).device == .meta)
    #expect(NoiseSource(run: 1, epoch: 0, shape: [4], device: .meta).generatorDevice == .meta)
  }

  @Test func `the mixing is SplitMix64`() {
    var stream = SplitMix64(seed: 0)
    // The published first outputs of the generator for seed 0.
    #expect(stream.next() == 0xE220_A839_7B1D_CDAF)
    #expect(stream.next() == 0x6E78_9E6A_A1B9_65F4)
    #expect(stream.next() == 0x06C4_5D18_8009_454F)
  }

  @Test func `seeds never change between releases`() {
    #expect(
      noiseSeed(run: 0, epoch: 0, prompt: 0, seed: 0, step: 0, branch: 0)
        == 0xCBD3_7AD2_9B93_B094)
    #expect(
      noiseSeed(run: 42, epoch: 3, prompt: 17, seed: 2, step: -1, branch: 0)
        == 0x3F5D_4D8B_35A5_A0B9)
  }

  @Test func `seeds depend on every number of the key and on their order`() {
    var seeds: Set<UInt64> = []
    var lower: Set<UInt32> = []
    for epoch in 0..<3 {
      for prompt in 0..<6 {
        for trunk in 0..<4 {
          for step in -1..<5 {
            for branch in 0..<6 {
              let seed = noiseSeed(
                run: 7, epoch: epoch, prompt: prompt, seed: trunk, step: step, branch: branch)
              seeds.insert(seed)
              lower.insert(UInt32(truncatingIfNeeded: seed))
            }
          }
        }
      }
    }
    #expect(seeds.count == 3 * 6 * 4 * 6 * 6)
    // libtorch's generator uses the lower half, which must be mixed as well.
    #expect(lower.count == 3 * 6 * 4 * 6 * 6)
    #expect(
      noiseSeed(run: 1, epoch: 0, prompt: 0, seed: 0, step: 0, branch: 0)
        != noiseSeed(run: 2, epoch: 0, prompt: 0, seed: 0, step: 0, branch: 0))
  }

  @Test func `the noise of a trunk does not depend on other trunks`() {
    let noise = NoiseSource(run: 3, epoch: 1, shape: [2, 5])
    let trunks = toyTrunks(prompts: 2, seeds: 2)
    let together = noise.initial(trunks)
    #expect(together.shape == [4, 2, 5])
    for (index, trunk) in trunks.enumerated() {
      let alone = noise.initial([trunk]).floats()
      #expect(together.selected(dim: 0, index: index).floats() == alone)
      #expect(alone != noise.branches([(trunk, 0, 0)]).floats())
    }
  }

  @Test func `noise is standard normal`() {
    let noise = NoiseSource(run: 9, epoch: 0, shape: [16])
    let values = noise.branches(
      (0..<2000).map { (TrunkID(prompt: $0 / 100, seed: $0 % 10), $0 % 7, $0 / 7) })
    // Standard errors with 32,000 values: 0.006 for the mean, 0.004 for the deviation.
    #expect(abs(values.mean().item()) < 0.03)
    #expect(abs(standardDeviation(values, correction: 0) - 1) < 0.02)
  }
}
