import Foundations
import Testing
import Training

@Suite struct WorkDivisionTests {
  /// 15 columns on 4 ranks, 12 samples an update in micro-batches of 2.
  private let small = WorkDivision(
    ranks: 4, trunks: 5, branches: 3, samplesPerUpdate: 12, microBatch: 2)

  @Test func `five trunks of three branches on four ranks are divided as by hand`() {
    #expect((0..<4).map(small.columns) == [0..<3, 3..<7, 7..<11, 11..<15])
    // Rank 1 has trunk 1 and the first branch of trunk 2, rank 2 the other two and so on.
    #expect((0..<4).map(small.trunks) == [0..<1, 1..<3, 2..<4, 3..<5])
    #expect(small.branches(of: 1, on: 1) == 0..<3)
    #expect(small.branches(of: 2, on: 1) == 0..<1)
    #expect(small.branches(of: 2, on: 2) == 1..<3)
    #expect(small.branches(of: 3, on: 2) == 0..<2)
    #expect(small.branches(of: 3, on: 3) == 2..<3)
    #expect(small.branches(of: 0, on: 3).isEmpty)
    #expect((0..<5).map(small.owner) == [0, 1, 1, 2, 3])
    #expect(small.splitTrunks == 2)
  }

  @Test func `micro-batches are rounded up to equally many on every rank`() {
    // 6 micro-batches of 2 become 8 of 1 or 2.
    #expect(small.passesPerUpdate == 2 && small.microBatchesPerUpdate == 8)
    #expect(small.microBatches(of: 0) == [0..<1, 1..<3])
    #expect(small.microBatches(of: 3) == [9..<10, 10..<12])
    #expect((0..<4).map(small.samples) == [0..<3, 3..<6, 6..<9, 9..<12])
  }

  @Test func `one rank has all the work, in the micro-batches of a run of one process`() {
    let one = WorkDivision(ranks: 1, trunks: 5, branches: 3, samplesPerUpdate: 11, microBatch: 4)
    let split = UpdateSplit(samples: 11, updates: 1, microBatch: 4, seed: 0)
    #expect(one.columns(of: 0) == 0..<15 && one.trunks(of: 0) == 0..<5)
    #expect(one.splitTrunks == 0)
    #expect(one.microBatchesPerUpdate == split.passesPerUpdate)
    #expect(one.microBatches(of: 0).map(\.count).max() == split.samplesPerPass)
  }

  @Test func `fewer samples than ranks leave some ranks without`() {
    let idle = WorkDivision(ranks: 7, trunks: 9, branches: 1, samplesPerUpdate: 3, microBatch: 8)
    let counts = (0..<7).map { idle.samples(of: $0).count }
    #expect(counts.reduce(0, +) == 3 && counts.count { $0 == 0 } == 4)
    #expect((0..<7).allSatisfy { idle.microBatches(of: $0).count == 1 })
  }

  @Test func `whatever the numbers, the ranks' parts make up the whole`() {
    var generator = SplitMix64(seed: 18)
    for _ in 0..<300 {
      let trunks = 1 + generator.index(below: 40)
      let branches = 1 + generator.index(below: 9)
      let division = WorkDivision(
        ranks: 1 + generator.index(below: trunks * branches), trunks: trunks, branches: branches,
        samplesPerUpdate: 1 + generator.index(below: 200),
        microBatch: 1 + generator.index(below: 20))
      let ranks = Array(0..<division.ranks)
      #expect(ranks.flatMap { division.columns(of: $0) } == Array(0..<(trunks * branches)))
      for rank in ranks {
        let columns = division.columns(of: rank)
        #expect(!columns.isEmpty && columns.allSatisfy { division.rank(of: $0) == rank })
        let walked = division.trunks(of: rank)
        #expect(
          walked.reduce(0) { $0 + division.branches(of: $1, on: rank).count } == columns.count)
        #expect(walked.allSatisfy { !division.branches(of: $0, on: rank).isEmpty })
      }
      for trunk in 0..<trunks {
        let first = ranks.first { division.trunks(of: $0).contains(trunk) }
        #expect(division.owner(of: trunk) == first)
      }
      let parts = ranks.flatMap(division.microBatches)
      #expect(parts.flatMap { $0 } == Array(0..<division.samplesPerUpdate))
      #expect(parts.allSatisfy { $0.count <= division.microBatch })
      #expect(parts.count == division.passesPerUpdate)
      let fewest =
        (division.samplesPerUpdate + division.microBatch - 1) / division.microBatch
      #expect(parts.count - fewest < division.ranks)
      #expect(ranks.flatMap { division.samples(of: $0) } == Array(0..<division.samplesPerUpdate))
    }
  }
}
