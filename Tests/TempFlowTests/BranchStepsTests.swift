import TempFlow
import Testing

@Suite struct BranchStepsTests {
  @Test func `the last step is never trained`() {
    for policy in [BranchSteps.all, .first(9), .sliding(9), .random(9)] {
      #expect(policy.steps(stepCount: 10, run: 1, epoch: 5) == Array(0..<9))
    }
  }

  @Test func `first and listed steps are the same in every epoch`() {
    for epoch in 0..<4 {
      #expect(BranchSteps.first(3).steps(stepCount: 10, run: 1, epoch: epoch) == [0, 1, 2])
      #expect(BranchSteps.list([5, 1]).steps(stepCount: 10, run: 1, epoch: epoch) == [1, 5])
    }
  }

  @Test func `sliding steps cover all steps evenly`() {
    let epochs = (0..<9).map { BranchSteps.sliding(4).steps(stepCount: 10, run: 1, epoch: $0) }
    #expect(epochs[0] == [0, 1, 2, 3])
    #expect(epochs[1] == [4, 5, 6, 7])
    #expect(epochs[2] == [0, 1, 2, 8])
    let counts = (0..<9).map { step in epochs.filter { $0.contains(step) }.count }
    #expect(counts == [Int](repeating: 4, count: 9))
  }

  @Test func `random steps are a function of run and epoch and reach every step`() {
    let policy = BranchSteps.random(3)
    var found: Set<Int> = []
    for epoch in 0..<30 {
      let steps = policy.steps(stepCount: 8, run: 11, epoch: epoch)
      #expect(steps == policy.steps(stepCount: 8, run: 11, epoch: epoch))
      #expect(steps.count == 3 && Set(steps).count == 3 && steps == steps.sorted())
      found.formUnion(steps)
    }
    #expect(found == Set(0..<7))
    #expect(
      (0..<30).contains {
        policy.steps(stepCount: 8, run: 11, epoch: $0)
          != policy.steps(stepCount: 8, run: 12, epoch: $0)
      })
  }

  @Test func `a window is neighboring steps of the first ones, drawn anew in each epoch`() {
    let policy = BranchSteps.window(2, of: 5)
    #expect(policy.candidates(stepCount: 10) == Array(0..<5) && policy.count(stepCount: 10) == 2)
    let epochs = (0..<200).map { policy.steps(stepCount: 10, run: 3, epoch: $0) }
    #expect(epochs == (0..<200).map { policy.steps(stepCount: 10, run: 3, epoch: $0) })
    #expect(epochs.allSatisfy { $0[1] == $0[0] + 1 && $0[0] >= 0 && $0[1] < 5 })
    // Four places, each of them 50 times on average.
    for start in 0..<4 { #expect((30...70).contains(epochs.count { $0[0] == start })) }
    let whole = BranchSteps.window(3)
    let starts = Set((0..<200).map { whole.steps(stepCount: 8, run: 1, epoch: $0)[0] })
    #expect(starts == Set(0..<5))
  }

  @Test func `random steps may be of the first ones`() {
    let policy = BranchSteps.random(2, of: 4)
    #expect(policy.candidates(stepCount: 10) == Array(0..<4))
    let found = (0..<60).flatMap { policy.steps(stepCount: 10, run: 5, epoch: $0) }
    #expect(Set(found) == Set(0..<4))
  }

  /// Recorded with the shuffle of Swift 6.3's standard library.
  @Test(arguments: [
    (8, 3, UInt64(11), [[2, 3, 6], [1, 2, 3], [0, 3, 4], [1, 3, 6], [2, 4, 5], [1, 3, 5]]),
    (10, 2, 0, [[4, 7], [4, 8], [1, 8], [3, 8], [4, 5], [3, 5]]),
    (
      28, 5, .max,
      [[1, 10, 20, 22, 23], [0, 6, 17, 18, 23], [3, 6, 7, 18, 21], [11, 15, 17, 22, 26]]
    ),
  ])
  func `sampled steps are the same on every machine`(
    stepCount: Int, count: Int, run: UInt64, epochs: [[Int]]
  ) {
    for (epoch, steps) in epochs.enumerated() {
      #expect(
        BranchSteps.random(count).steps(stepCount: stepCount, run: run, epoch: epoch) == steps)
    }
  }

  @Test(arguments: [
    (BranchSteps.first(0), RolloutPlanError.stepCountOutOfRange(0, trainable: 4)),
    (.sliding(5), .stepCountOutOfRange(5, trainable: 4)),
    (.random(-1), .stepCountOutOfRange(-1, trainable: 4)),
    (.window(5), .stepCountOutOfRange(5, trainable: 4)),
    (.window(3, of: 2), .stepCountOutOfRange(3, trainable: 2)),
    (.random(2, of: 5), .stepCountOutOfRange(5, trainable: 4)),
    (.list([]), .stepCountOutOfRange(0, trainable: 4)),
    (.list([4]), .stepOutOfRange(4, trainable: 4)),
    (.list([1, 1]), .repeatedStep(1)),
  ])
  func `nonexistent steps are refused with the existing ones`(
    policy: BranchSteps, expected: RolloutPlanError
  ) {
    #expect(throws: expected) {
      try RolloutPlan(
        schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: .branching(branches: 2),
        steps: policy)
    }
    #expect(expected.description.contains("step"))
  }

  @Test func `plans without branches or without noise are refused`() {
    #expect(throws: RolloutPlanError.noBranches(0)) {
      try RolloutPlan(
        schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: .branching(branches: 0))
    }
    #expect(throws: RolloutPlanError.noNoise(step: 0)) {
      try RolloutPlan(
        schedule: toySchedule, dynamics: .deterministic, method: .branching(branches: 2))
    }
    #expect(throws: RolloutPlanError.tooFewSteps(1)) {
      try RolloutPlan(
        schedule: FlowSchedule(sigmas: [1, 0]), dynamics: .flowSDE(noiseLevel: 0.7),
        method: .flowGRPO)
    }
  }
}
