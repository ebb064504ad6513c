import Foundations
import TempFlow
import Testing
import Training

@Suite struct WorkDivisionTests {
  /// 15 columns on 4 ranks, 12 samples an update in micro-batches of 2.
  private let small = WorkDivision(
    ranks: 4, method: .branching(branches: 3), trunks: 5, samplesPerUpdate: 12, microBatch: 2)

  /// Ranks that train, without regard to their rollout.
  private func training(_ ranks: Int, _ samples: Int, _ microBatch: Int) -> WorkDivision {
    WorkDivision(
      ranks: ranks, method: .flowGRPO, trunks: ranks, samplesPerUpdate: samples,
      microBatch: microBatch)
  }

  @Test func `five trunks of three branches on four ranks are divided as by hand`() {
    #expect((0..<4).map(small.columns) == [0..<3, 3..<7, 7..<11, 11..<15])
    // Rank 1 has trunk 1 and the first branch of trunk 2, rank 2 the other two and so on.
    #expect((0..<4).map(small.trunks) == [0..<1, 1..<3, 2..<4, 3..<5])
    let method = small.method
    #expect(method.branches(of: 1, among: 3..<7) == 0..<3)
    #expect(method.branches(of: 2, among: 3..<7) == 0..<1)
    #expect(method.branches(of: 2, among: 7..<11) == 1..<3)
    #expect(method.branches(of: 3, among: 7..<11) == 0..<2)
    #expect(method.branches(of: 3, among: 11..<15) == 2..<3)
    #expect(method.branches(of: 0, among: 11..<15).isEmpty)
    #expect(method.owners(processes: 4, trunks: 5) == [0, 1, 1, 2, 3])
    // Columns 0, 3, 6, 9 and 12 are the first of their trunks.
    #expect((0..<4).map { method.firstColumns(among: small.columns(of: $0)).count } == [1, 2, 1, 1])
    #expect(method.firstColumns(among: 7..<11) == 3..<4)
    #expect(method.mostTrunks(processes: 4, trunks: 5) == 2)
    #expect(small.splitTrunks == 2)
  }

  @Test func `whole passes of one process are dealt, so ranks may have unequally many`() {
    #expect(small.passesPerUpdate == 6)
    #expect((0..<4).map(small.passes) == [[0..<2], [2..<4, 4..<6], [6..<8], [8..<10, 10..<12]])
    #expect((0..<4).map(small.samples) == [2, 4, 2, 4])
    #expect(small.idleRanks == 0)
    // 2 passes of 2 are 4 samples, 3 of 1 are 3.
    #expect(small.mostSamples(microBatch: 2) == 4 && small.fairestMicroBatch == 1)
  }

  @Test func `one rank has all the work, in the passes of a run of one process`() {
    let one = WorkDivision(
      ranks: 1, method: .branching(branches: 3), trunks: 5, samplesPerUpdate: 11, microBatch: 4)
    let split = UpdateSplit(samples: 11, updates: 1, microBatch: 4, seed: 0)
    #expect(one.columns(of: 0) == 0..<15 && one.trunks(of: 0) == 0..<5)
    #expect(one.splitTrunks == 0 && one.idleRanks == 0 && one.movedShare == 0)
    #expect(one.passesPerUpdate == split.passesPerUpdate)
    #expect(one.samplesPerPass == split.samplesPerPass)
    #expect(one.passes(of: 0).flatMap { $0 } == Array(0..<11))
  }

  @Test func `fewer passes than ranks leave some ranks without, and smaller ones do not`() {
    let idle = training(8, 96, 32)
    #expect(idle.passesPerUpdate == 3 && idle.idleRanks == 5)
    #expect((0..<8).count { idle.samples(of: $0) == 0 } == 5)
    #expect(idle.fairestMicroBatch == 12)
    let fair = training(8, 96, 12)
    #expect((0..<8).allSatisfy { fair.samples(of: $0) == 12 && fair.passes(of: $0).count == 1 })
    #expect(fair.idleRanks == 0 && fair.fairestMicroBatch == 12)
    // 3 samples go to at most 3 ranks.
    let few = training(7, 3, 8)
    #expect(few.fairestMicroBatch == 1 && training(7, 3, 1).idleRanks == 4)
  }

  @Test func `whatever the numbers, the ranks' parts make up the whole`() {
    var generator = SplitMix64(seed: 18)
    for _ in 0..<300 {
      let trunks = 1 + generator.index(below: 40)
      let branches = 1 + generator.index(below: 9)
      let division = WorkDivision(
        ranks: 1 + generator.index(below: trunks * branches),
        method: .branching(branches: branches), trunks: trunks,
        samplesPerUpdate: 1 + generator.index(below: 200),
        microBatch: 1 + generator.index(below: 20))
      let ranks = Array(0..<division.ranks)
      #expect(ranks.flatMap { division.columns(of: $0) } == Array(0..<(trunks * branches)))
      #expect(
        ranks.flatMap { division.method.firstColumns(among: division.columns(of: $0)) }
          == Array(0..<trunks))
      for rank in ranks {
        let columns = division.columns(of: rank)
        let own = division.trunks(of: rank).map { division.method.branches(of: $0, among: columns) }
        #expect(own.allSatisfy { !$0.isEmpty })
        #expect(own.reduce(0) { $0 + $1.count } == columns.count)
      }
      let owners = division.method.owners(processes: division.ranks, trunks: trunks)
      for trunk in 0..<trunks {
        #expect(owners[trunk] == ranks.first { division.trunks(of: $0).contains(trunk) })
      }
      let passes = ranks.flatMap(division.passes)
      #expect(passes == microBatches(of: division.samplesPerUpdate, limit: division.microBatch))
      #expect(ranks.count { division.samples(of: $0) == 0 } == division.idleRanks)
      let most = division.mostSamples(microBatch: division.microBatch)
      #expect(ranks.allSatisfy { division.samples(of: $0) <= most })
      let fairest = division.fairestMicroBatch
      #expect(fairest <= division.microBatch)
      #expect(division.mostSamples(microBatch: fairest) <= most)
    }
  }

  /// The plan counts rows step by step, the progress of a run all at once.
  @Test(arguments: [0..<3, 3..<7, 11..<15, 0..<15])
  func `rows of columns and their trunks add up to a share's evaluations`(_ columns: Range<Int>) {
    let method = RolloutMethod.branching(branches: 3)
    let finished = method.firstColumns(among: columns).count
    let walked = method.trunks(of: columns).count
    // 4 steps of which 0 and 2 are trained: a trunk is walked for 3, its branches for 3 and 1.
    let rows = (0..<4).map {
      method.rows(trunks: walked, columns: columns.count, at: $0, steps: [0, 2])
    }
    let columns = columns.count
    #expect(rows == [walked, walked + columns, walked + columns, 2 * columns])
    let followed = (0..<4).map {
      method.rows(
        trunks: walked, columns: columns, finishedTrunks: finished, at: $0, steps: [0, 2])
    }
    #expect(followed == [rows[0], rows[1], rows[2], rows[3] + finished])
    // With a tail of stride 2, the branch of step 0 skips the sigma before step 2.
    let skipping = RolloutMethod.branching(branches: 3, tailStride: 2)
    let skipped = (0..<4).map {
      skipping.rows(trunks: walked, columns: columns, at: $0, steps: [0, 2])
    }
    #expect(skipped == [walked, walked + columns, walked, 2 * columns])
    #expect(method.samplesPerColumn(steps: [0, 2]) == 2)
    #expect(RolloutMethod.flowGRPO.rows(trunks: 5, columns: 5, at: 1, steps: [0]) == 5)
    #expect(RolloutMethod.flowGRPO.samplesPerColumn(steps: [0, 1]) == 1)
  }
}
