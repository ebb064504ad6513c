import TempFlow
import Testing

/// Two prompts, two trunks each, two branches each, at one step.
private func branchRows(_ rewards: [Double?], step: Int = 0) -> [RewardRow] {
  rewards.enumerated().map { index, reward in
    RewardRow(prompt: index / 4, seed: index / 2 % 2, step: step, rewards: [reward])
  }
}

private func settings(
  _ baseline: AdvantageBaseline, _ scale: AdvantageScale? = nil, clip: Double? = nil
) -> AdvantageSettings {
  AdvantageSettings(baseline: baseline, scale: scale, clip: clip)
}

/// The rewards of the trunks' own images, in the order of `rows`.
private func trunkRewards(_ rewards: [Double?]) -> [TrunkID: [Double?]] {
  Dictionary(
    uniqueKeysWithValues: rewards.enumerated().map {
      (TrunkID(prompt: $0 / 2, seed: $0 % 2), [$1])
    })
}

private func expectClose(
  _ found: [Double], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.count, sourceLocation: sourceLocation)
  for (left, right) in zip(found, expected) {
    #expect(abs(left - right) < 1e-12, "\(found)", sourceLocation: sourceLocation)
  }
}

@Suite struct AdvantageTests {
  private let rewards: [Double?] = [1, 3, 5, 9, 0, 2, 2, 4]

  @Test func `a missing score of a reward without weight changes nothing`() {
    var both = settings(.seed)
    both.weights = [1, 0]
    let rows = branchRows(rewards).map { row in
      RewardRow(prompt: row.prompt, seed: row.seed, step: row.step, rewards: row.rewards + [nil])
    }
    #expect(
      Advantages(rows, both).values == Advantages(branchRows(rewards), settings(.seed)).values)
  }

  @Test func `seed groups compare the branches of one trunk`() {
    let advantages = Advantages(branchRows(rewards), settings(.seed))
    expectClose(
      advantages.values,
      [
        -1 / 1.0001, 1 / 1.0001, -2 / 2.0001, 2 / 2.0001, -1 / 1.0001, 1 / 1.0001, -1 / 1.0001,
        1 / 1.0001,
      ])
    #expect(advantages.groupCount == 4)
    #expect(advantages.degenerateGroupCount == 0)
  }

  @Test func `prompt groups compare all branches of one prompt`() {
    let first = 8.75.squareRoot() + 1e-4
    let second = 2.0.squareRoot() + 1e-4
    expectClose(
      Advantages(branchRows(rewards), settings(.prompt)).values,
      [
        -3.5 / first, -1.5 / first, 0.5 / first, 4.5 / first, -2 / second, 0, 0, 2 / second,
      ])
  }

  /// A second step, and the rewards of the four trunks.
  private let later: [Double?] = [6, 6, 0, 8, 3, 5, 1, 1]
  private let trunks: [Double?] = [2, 4, 1, 6]

  /// Differences and scales by hand, both steps.
  @Test(arguments: AdvantageBaseline.allCases, AdvantageScale.allCases)
  func `every baseline and scale has its closed form`(
    baseline: AdvantageBaseline, scale: AdvantageScale
  ) {
    let differences: [Double] =
      switch baseline {
      case .seed: [-1, 1, -2, 2, -1, 1, -1, 1] + [0, 0, -4, 4, -1, 1, 0, 0]
      case .prompt: [-3.5, -1.5, 0.5, 4.5, -2, 0, 0, 2] + [1, 1, -5, 3, 0.5, 2.5, -1.5, -1.5]
      case .trunk: [-1, 1, 1, 5, -1, 1, -4, -2] + [4, 4, -4, 4, 2, 4, -5, -5]
      }
    func rows(_ variances: [Double], each: Int) -> [Double] {
      variances.flatMap { Array(repeating: $0.squareRoot(), count: each) }
    }
    // Means of step 0: 4.5, 2 and 3.25; of step 1: 5, 2.5 and 3.75; of all 3.5.
    let scales: [Double] =
      switch scale {
      case .seed: rows([1, 4, 1, 1, 0, 16, 1, 0], each: 2)
      case .prompt: rows([8.75, 2, 9, 2.75], each: 4)
      case .step: rows([6.9375, 7.4375], each: 8)
      case .batch: rows([7.25], each: 16)
      case .maxGroup: rows([baseline == .prompt ? 9 : 16], each: 16)
      }
    let found = Advantages(
      self.rows, settings(baseline, scale), trunkRewards: trunkRewards(trunks))
    expectClose(
      found.values, zip(differences, scales).map { $1 == 0 ? 0 : $0 / ($1 + 1e-4) })
    #expect(found.groupCount == (baseline == .prompt ? 4 : 8))
    let degenerate = baseline == .seed || (baseline == .trunk && scale == .seed) ? 2 : 0
    #expect(found.degenerateGroupCount == degenerate)
    #expect(found.perStep[1]?.degenerateCount == degenerate)
    // The deviation within groups does not depend on the scale.
    let deviation = baseline == .prompt ? (3 + 2.75.squareRoot()) / 2 : 5.0 / 4
    #expect(abs((found.perStep[1]?.meanDeviation ?? 0) - deviation) < 1e-12)
  }

  private var rows: [RewardRow] {
    branchRows(rewards) + branchRows(later, step: 1)
  }

  @Test func `only the scales of a batch compare steps with each other`() {
    for scale in AdvantageScale.allCases {
      for baseline in AdvantageBaseline.allCases {
        func values(_ rows: [RewardRow]) -> [Double] {
          Array(
            Advantages(rows, settings(baseline, scale), trunkRewards: trunkRewards(trunks))
              .values.prefix(8))
        }
        let first = branchRows(rewards)
        let together = first + branchRows(rewards.map { $0.map { $0 * 10 + 7 } }, step: 1)
        #expect((values(together) == values(first)) == ![.batch, .maxGroup].contains(scale))
      }
    }
  }

  @Test func `rows may come in any order`() {
    let order = [5, 0, 7, 2, 11, 1, 6, 15, 3, 4, 9, 8, 13, 10, 14, 12]
    for baseline in AdvantageBaseline.allCases {
      for scale in AdvantageScale.allCases {
        func values(_ rows: [RewardRow]) -> [Double] {
          Advantages(rows, settings(baseline, scale), trunkRewards: trunkRewards(trunks)).values
        }
        let straight = values(rows)
        expectClose(values(order.map { rows[$0] }), order.map { straight[$0] })
      }
    }
  }

  @Test func `equal rewards that differ from their trunk's have an advantage`() {
    let found = Advantages(
      branchRows([3, 3, 1, 1, 2, 4, 1, 1]), settings(.trunk),
      trunkRewards: trunkRewards([1, 1, 3, nil]))
    // All eight: mean 2, mean square 42 / 8.
    let scale = (42.0 / 8 - 4).squareRoot() + 1e-4
    expectClose(found.values, [2, 2, 0, 0, -1, 1, 0, 0].map { $0 / scale })
    // The second has its trunk's reward, the fourth no reward of its trunk.
    #expect(found.degenerateGroupCount == 2 && found.groupCount == 4)
  }

  @Test func `one branch is compared with its trunk`() {
    let rows = [5.0, 1, 3].enumerated().map {
      RewardRow(prompt: $0, seed: 0, step: 0, rewards: [$1])
    }
    let trunks = Dictionary(
      uniqueKeysWithValues: [4.0, 4, nil].enumerated().map {
        (TrunkID(prompt: $0, seed: 0), [$1])
      })
    let found = Advantages(rows, settings(.trunk), trunkRewards: trunks)
    let scale = (8.0 / 3).squareRoot() + 1e-4
    expectClose(found.values, [1 / scale, -3 / scale, 0])
    #expect(found.degenerateShare == 1.0 / 3)
    #expect(found.perStep[0]?.meanDeviation == nil)
  }

  @Test func `with normalization per reward, a trunk's missing reward adds nothing`() {
    var settings = settings(.trunk)
    settings.combination = .perReward
    settings.weights = [1, 10]
    let rewards: [[Double?]] = [[100, 1], [300, 3]]
    let rows = rewards.map { RewardRow(prompt: 0, seed: 0, step: 0, rewards: $0) }
    func values(_ trunk: [Double?]) -> [Double] {
      Advantages(rows, settings, trunkRewards: [TrunkID(prompt: 0, seed: 0): trunk]).values
    }
    expectClose(values([200, nil]), [-100 / 100.0001, 100 / 100.0001])
    expectClose(
      values([100, 3]), [-10 * 2 / 1.0001, 200 / 100.0001])
    settings.combination = .weightedSum
    expectClose(values([200, nil]), [0, 0])
    // Sums 110 and 330 over a trunk of 120.
    expectClose(values([100, 2]), [-10 / 110.0001, 210 / 110.0001])
  }

  @Test func `a missing reward is left out of mean and deviation and gives zero`() {
    let holes: [Double?] = [1, nil, 5, 9, 0, 2, nil, nil]
    let advantages = Advantages(branchRows(holes), settings(.prompt))
    // The first prompt keeps 1, 5 and 9, the second 0 and 2.
    let scale = (32.0 / 3).squareRoot() + 1e-4
    expectClose(
      advantages.values,
      [-4 / scale, 0, 0, 4 / scale, -1 / 1.0001, 1 / 1.0001, 0, 0])
    let seeds = Advantages(branchRows(holes), settings(.seed))
    expectClose(
      seeds.values, [0, 0, -2 / 2.0001, 2 / 2.0001, -1 / 1.0001, 1 / 1.0001, 0, 0])
    // Groups with one reward or none are degenerate.
    #expect(seeds.degenerateGroupCount == 2)
    #expect(seeds.degenerateShare == 0.5)
  }

  @Test(arguments: AdvantageBaseline.allCases, AdvantageScale.allCases)
  func `equal rewards give exactly zero`(baseline: AdvantageBaseline, scale: AdvantageScale) {
    let advantages = Advantages(
      branchRows([Double?](repeating: 0.1, count: 8)), settings(baseline, scale),
      trunkRewards: trunkRewards([0.1, 0.1, 0.1, 0.1]))
    #expect(advantages.values == [Double](repeating: 0, count: 8))
    #expect(advantages.degenerateShare == 1)
  }

  @Test func `the advantage of one winner is bounded by the group's size and by the clip`() {
    let winner = (0..<50).map {
      RewardRow(prompt: 0, seed: 0, step: 0, rewards: [$0 == 7 ? 1e9 : 0])
    }
    let free = Advantages(winner, settings(.seed)).values
    #expect(free[7] <= 7 && free[7] > 6.999)
    #expect(Advantages(winner, settings(.seed, clip: 5)).values[7] == 5)
    #expect(AdvantageSettings().clip == 5)
  }

  @Test func `a weighted sum is normalized once and needs every reward`() {
    var settings = settings(.seed)
    settings.weights = [1, 10]
    let rewards: [[Double?]] = [[1, 0.1], [3, 0.5], [2, 0.3], [9, nil]]
    let found = Advantages(
      rewards.map { RewardRow(prompt: 0, seed: 0, step: 0, rewards: $0) }, settings)
    let deviation = 6.0.squareRoot() + 1e-4
    expectClose(found.values, [-3 / deviation, 3 / deviation, 0, 0])
  }

  @Test func `with normalization per reward, small and large rewards have equal influence`() {
    var settings = settings(.seed)
    settings.combination = .perReward
    settings.weights = [1, 0.5]
    let rewards: [[Double?]] = [[100, 1], [300, 3], [nil, 5], [nil, nil]]
    let found = Advantages(
      rewards.map { RewardRow(prompt: 0, seed: 0, step: 0, rewards: $0) }, settings)
    let large = 100 / 100.0001
    let small = 0.5 * 2 / ((8.0 / 3).squareRoot() + 1e-4)
    expectClose(found.values, [-large - small, large, small, 0])
  }

  @Test func `rewards with equal normalized sums differ with normalization per reward`() {
    // The best branch is better in one reward or in both: the sums have equal advantages.
    func values(_ combination: RewardCombination, _ winner: [Double?]) -> [Double] {
      var settings = settings(.prompt)
      settings.combination = combination
      settings.weights = [1, 1]
      return Advantages(
        [[0, 0], winner].map { RewardRow(prompt: 0, seed: 0, step: 0, rewards: $0) }, settings
      ).values
    }
    let one = 0.5 / 0.5001
    expectClose(values(.weightedSum, [1, 0]), [-one, one])
    expectClose(values(.weightedSum, [1, 1]), [-1 / 1.0001, 1 / 1.0001])
    expectClose(values(.perReward, [1, 0]), [-one, one])
    expectClose(values(.perReward, [1, 1]), [-2 * one, 2 * one])
  }

  @Test(arguments: [RewardCombination.weightedSum, .perReward])
  func `a reward of weight 0 has no part in advantages and groups`(
    _ combination: RewardCombination
  ) {
    var settings = settings(.prompt)
    settings.combination = combination
    settings.weights = [1, 0]
    let found = Advantages(
      [[1, 3], [1, 4]].map { RewardRow(prompt: 0, seed: 0, step: 0, rewards: $0) }, settings)
    #expect(found.values == [0, 0])
    #expect(found.groupCount == 1 && found.degenerateGroupCount == 1)
  }

  @Test func `group sizes are checked`() throws {
    try checkGroupSizes(branchRows(rewards), expected: 4)
    #expect(throws: InvariantError.groupSize(prompt: 1, step: 0, found: 3, expected: 4)) {
      try checkGroupSizes(Array(branchRows(rewards).dropLast()), expected: 4)
    }
  }
}
