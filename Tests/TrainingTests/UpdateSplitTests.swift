import Testing
import Training

@Suite struct UpdateSplitTests {
  let split = UpdateSplit(pairs: 24, updates: 4, microBatch: 4, seed: 5)

  @Test func `every pair belongs to exactly one update of an epoch`() {
    let updates = split.updates(epoch: 3)
    #expect(updates.map(\.count) == [6, 6, 6, 6])
    #expect(updates.flatMap { $0 }.sorted() == Array(0..<24))
  }

  @Test func `micro-batches cut an update without losing a pair`() {
    let update = split.updates(epoch: 0)[1]
    let parts = split.microBatches(of: update)
    #expect(parts.map(\.count) == [4, 2])
    #expect(parts.flatMap { $0 } == update)
    #expect(split.microBatchesPerUpdate == 2)
  }

  @Test func `the split is fresh each epoch and repeats on a resumed run`() {
    #expect(split.updates(epoch: 1) == split.updates(epoch: 1))
    #expect(split.updates(epoch: 1) != split.updates(epoch: 2))
  }
}
