import Testing
import Training

@Suite struct UpdateSplitTests {
  let split = UpdateSplit(samples: 24, updates: 4, microBatch: 4, seed: 5)

  @Test func `every sample belongs to exactly one update of an epoch`() {
    let updates = split.updates(epoch: 3)
    #expect(updates.map(\.count) == [6, 6, 6, 6])
    #expect(updates.flatMap { $0 }.sorted() == Array(0..<24))
  }

  @Test func `forward passes are as few and as equal as the limit allows`() {
    #expect(split.passesPerUpdate == 2)
    #expect(split.samplesPerPass == 3)
  }

  @Test func `the split is new in each epoch and repeats in a resumed run`() {
    #expect(split.updates(epoch: 1) == split.updates(epoch: 1))
    #expect(split.updates(epoch: 1) != split.updates(epoch: 2))
  }
}
