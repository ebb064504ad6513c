import Foundations
import Testing
import Training

@Suite struct PromptOrderTests {
  @Test func `every prompt is used once before any is used twice`() {
    let order = PromptOrder(count: 30, promptsPerEpoch: 10, seed: 7)
    let firstPass = (0..<3).flatMap { order.prompts(epoch: $0) }
    #expect(firstPass.sorted() == Array(0..<30))
    let secondPass = (3..<6).flatMap { order.prompts(epoch: $0) }
    #expect(secondPass.sorted() == Array(0..<30))
    #expect(firstPass != secondPass)
  }

  @Test func `an epoch may span the end of one pass and the start of the next`() {
    let order = PromptOrder(count: 7, promptsPerEpoch: 5, seed: 1)
    let sequence = (0..<7).flatMap { order.prompts(epoch: $0) }
    for pass in 0..<5 {
      #expect(sequence[(pass * 7)..<(pass * 7 + 7)].sorted() == Array(0..<7))
    }
  }

  @Test func `an epoch may hold more prompts than the file`() {
    let order = PromptOrder(count: 3, promptsPerEpoch: 8, seed: 1)
    #expect(order.prompts(epoch: 0).count == 8)
    #expect(Set(order.prompts(epoch: 0)) == [0, 1, 2])
  }

  @Test func `the order depends on the seed alone`() {
    let order = PromptOrder(count: 100, promptsPerEpoch: 10, seed: 3)
    #expect(order.prompts(epoch: 4) == order.prompts(epoch: 4))
    let other = PromptOrder(count: 100, promptsPerEpoch: 10, seed: 4)
    #expect(order.prompts(epoch: 4) != other.prompts(epoch: 4))
  }

  @Test func `a shuffle is the same on every machine`() {
    var generator = SplitMix64(trainingStream: [1, 2, 3])
    #expect(generator.permutation(8) == [4, 0, 2, 5, 7, 3, 6, 1])
    var again = SplitMix64(trainingStream: [1, 2, 3])
    var swapped = SplitMix64(trainingStream: [2, 1, 3])
    #expect(again.permutation(64) != swapped.permutation(64))
  }
}
