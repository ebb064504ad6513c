import TempFlow
import Testing

/// Two prompts, two trunks each, two branches each, at one step.
private func rows(_ rewards: [Double?], step: Int = 0) -> [RewardRow] {
  rewards.enumerated().map { index, reward in
    RewardRow(prompt: index / 4, seed: index / 2 % 2, step: step, rewards: [reward])
  }
}

private func settings(
  _ group: AdvantageGroup, clip: Double? = nil
) -> AdvantageSettings {
  var settings = AdvantageSettings()
  settings.group = group
  settings.clip = clip
  return settings
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

  @Test func `seed groups compare the branches of one trunk`() {
    let advantages = Advantages(rows(rewards), settings(.seed))
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
      Advantages(rows(rewards), settings(.prompt)).values,
      [
        -3.5 / first, -1.5 / first, 0.5 / first, 4.5 / first, -2 / second, 0, 0, 2 / second,
      ])
  }

  @Test func `batch groups use the mean per prompt and the deviation of the batch`() {
    // All eight: mean 3.25, mean square 17.5.
    let deviation = (17.5 - 3.25 * 3.25).squareRoot() + 1e-4
    expectClose(
      Advantages(rows(rewards), settings(.batch)).values,
      [-3.5, -1.5, 0.5, 4.5, -2, 0, 0, 2].map { $0 / deviation })
  }

  @Test func `steps are never compared with each other`() {
    let together = rows(rewards) + rows(rewards.map { $0.map { $0 * 10 + 7 } }, step: 1)
    for group in AdvantageGroup.allCases {
      let found = Advantages(together, settings(group)).values
      expectClose(Array(found.prefix(8)), Advantages(rows(rewards), settings(group)).values)
    }
  }

  @Test func `rows may come in any order`() {
    let order = [5, 0, 7, 2, 1, 6, 3, 4]
    for group in AdvantageGroup.allCases {
      let straight = Advantages(rows(rewards), settings(group)).values
      let shuffled = order.map { rows(rewards)[$0] }
      expectClose(Advantages(shuffled, settings(group)).values, order.map { straight[$0] })
    }
  }

  @Test func `a missing reward is left out of mean and deviation and gives zero`() {
    let holes: [Double?] = [1, nil, 5, 9, 0, 2, nil, nil]
    let advantages = Advantages(rows(holes), settings(.prompt))
    // The first prompt keeps 1, 5 and 9, the second 0 and 2.
    let scale = (32.0 / 3).squareRoot() + 1e-4
    expectClose(
      advantages.values,
      [-4 / scale, 0, 0, 4 / scale, -1 / 1.0001, 1 / 1.0001, 0, 0])
    let seeds = Advantages(rows(holes), settings(.seed))
    expectClose(
      seeds.values, [0, 0, -2 / 2.0001, 2 / 2.0001, -1 / 1.0001, 1 / 1.0001, 0, 0])
    // Groups with one reward or none are degenerate.
    #expect(seeds.degenerateGroupCount == 2)
    #expect(seeds.degenerateShare == 0.5)
  }

  @Test(arguments: AdvantageGroup.allCases)
  func `equal rewards give exactly zero`(group: AdvantageGroup) {
    let advantages = Advantages(rows([Double?](repeating: 0.1, count: 8)), settings(group))
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

  @Test func `group sizes are checked`() throws {
    try checkGroupSizes(rows(rewards), expected: 4)
    #expect(throws: InvariantError.groupSize(prompt: 1, step: 0, found: 3, expected: 4)) {
      try checkGroupSizes(Array(rows(rewards).dropLast()), expected: 4)
    }
  }
}
