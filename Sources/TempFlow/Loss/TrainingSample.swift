/// The unit of training: one (trunk, step) with the advantages of its K branches.
///
/// The branches share x_i, so one forward pass and one vector-Jacobian product cover all of them.
public struct TrainingSample: Hashable, Sendable {
  /// The trunk, as an index into the rollout's list.
  public let trunk: Int
  /// The trained step, as an index into the rollout's ``Rollout/steps``.
  public let stepIndex: Int
  /// A_k of the branches, in order.
  public let advantages: [Double]

  /// Whether the advantages of this trunk are 0 at every trained step.
  public let isTrunkDegenerate: Bool

  /// Whether no branch has a reward to learn from, as where the trunk is not finite: then neither
  /// are its latents and velocities.
  public let isUnscored: Bool

  /// Whether the sample has no gradient: its advantages are all 0, and there is no KL term or the
  /// whole trunk is left out, as in flow_grpo. A sample without a reward to learn from is left out,
  /// too.
  public func isSkippable(_ objective: PolicyObjective) -> Bool {
    advantages.allSatisfy { $0 == 0 }
      && (objective.klBeta == 0 || isTrunkDegenerate || isUnscored)
  }
}

extension Rollout {
  /// The rewards as rows for ``Advantages``: step by step, trunk by trunk, branch by branch. The
  /// reward of a Flow-GRPO sample is repeated at each trained step.
  ///
  /// - Parameter rewards: the values of every sample except finished trunks; a sample whose rewards
  ///   are missing needs an entry with nil values.
  public func rewardRows(_ rewards: [SampleID: [Double?]]) -> [RewardRow] {
    var rows: [RewardRow] = []
    rows.reserveCapacity(steps.count * trunks.count * plan.branchCount)
    for step in steps {
      for (index, trunk) in trunks.enumerated() {
        for branch in 0..<plan.branchCount {
          let sample = sample(trunk: index, step: step, branch: branch)
          guard let values = rewards[sample] else {
            preconditionFailure("no reward for \(sample)")
          }
          rows.append(
            RewardRow(prompt: trunk.prompt, seed: trunk.seed, step: step, rewards: values))
        }
      }
    }
    return rows
  }

  /// The sample whose reward belongs to a (trunk, step, branch).
  public func sample(trunk: Int, step: Int, branch: Int) -> SampleID {
    switch plan.method {
    case .branching: SampleID(trunk: trunk, step: step, branch: branch)
    case .flowGRPO, .flowGRPOFast, .ode: SampleID(trunk: trunk, step: nil)
    }
  }

  /// The rewards of the trunks' own images for ``Advantages``; none if the plan does not finish
  /// trunks.
  ///
  /// - Parameter rewards: as of ``rewardRows(_:)``, with the finished trunks.
  public func trunkRewards(_ rewards: [SampleID: [Double?]]) -> [TrunkID: [Double?]] {
    guard plan.finishesTrunks else { return [:] }
    return Dictionary(
      uniqueKeysWithValues: trunks.enumerated().map { index, trunk in
        guard let values = rewards[SampleID(trunk: index, step: nil)] else {
          preconditionFailure("no reward for trunk \(index)")
        }
        return (trunk, values)
      })
  }

  /// The training samples, from one advantage per row of ``rewardRows(_:)``.
  ///
  /// - Parameters:
  ///   - advantages: one value per reward row.
  ///   - chosen: the trunks to take, as indices into the rollout's list; nil takes all.
  public func trainingSamples(
    _ advantages: Advantages, trunks chosen: [Int]? = nil
  ) -> [TrainingSample] {
    let count = plan.branchCount
    precondition(
      advantages.values.count == steps.count * trunks.count * count,
      "one advantage per reward row")
    func rows(_ stepIndex: Int, _ trunk: Int) -> Range<Int> {
      let first = (stepIndex * trunks.count + trunk) * count
      return first..<first + count
    }
    func values(_ stepIndex: Int, _ trunk: Int) -> ArraySlice<Double> {
      advantages.values[rows(stepIndex, trunk)]
    }
    let degenerate = trunks.indices.map { trunk in
      steps.indices.allSatisfy { stepIndex in values(stepIndex, trunk).allSatisfy { $0 == 0 } }
    }
    return steps.indices.flatMap { stepIndex in
      (chosen ?? Array(trunks.indices)).map { trunk in
        TrainingSample(
          trunk: trunk, stepIndex: stepIndex, advantages: Array(values(stepIndex, trunk)),
          isTrunkDegenerate: degenerate[trunk],
          isUnscored: advantages.isUnscored[rows(stepIndex, trunk)].allSatisfy { $0 })
      }
    }
  }
}
