import TempFlow
import TestSupport
import Testing

/// A rollout of finished samples with advantages, its field, and a field that has moved.
private struct ForwardScene {
  let trunks = toyTrunks(prompts: 2, seeds: 3)
  let noise = NoiseSource(run: 5, epoch: 2, shape: [6])
  let toy = ToyField(width: 6, trunks: 6, seed: 1)
  /// The weights of the rollout, as other tensors.
  let old = ToyField(width: 6, trunks: 6, seed: 1)
  let rollout: Rollout
  let samples: [SampleID: [Float]]
  let trainingSamples: [TrainingSample]

  /// - Parameter unscored: a trunk without a reward.
  init(unscored: Int? = nil) throws {
    var plan = try RolloutPlan(
      schedule: toySchedule, dynamics: .deterministic, method: .ode, steps: .list([0, 2, 3]))
    plan.microBatch = 4
    (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    let rewards = Dictionary(
      uniqueKeysWithValues: trunks.indices.map {
        (SampleID(trunk: $0, step: nil), [$0 == unscored ? nil : Double($0 == 5 ? 0 : $0)])
      })
    trainingSamples = rollout.trainingSamples(
      Advantages(rollout.rewardRows(rewards), .init(baseline: .prompt, scale: .prompt)))
    toy.perturb(by: 0.05, seed: 9)
  }

  static let objectives = [
    ForwardProcessObjective(.diffusionNFT(beta: 0.4, advantageLimit: 1.2), klBeta: 0.3),
    ForwardProcessObjective(
      .advantageWeightedMatching(clipRange: 0.02, timeWeight: .sigma), klBeta: 0.3),
  ]

  @discardableResult
  func gradient(
    _ objective: ForwardProcessObjective, microBatch: Int = 4, share: WorkShare = .whole,
    rollout: Rollout? = nil, old: VelocityField?
  ) -> (statistics: PolicyStatistics, gradient: [Double]) {
    let reference = ToyField(width: 6, trunks: 6, seed: 77)
    let statistics = forwardProcessGradient(
      objective, rollout: rollout ?? self.rollout, samples: trainingSamples,
      microBatch: microBatch, share: share, field: toy.velocity, old: old,
      reference: reference.velocity,
      collect: { $0 + [Float](repeating: 0, count: share.parts == 1 ? 0 : 1000) })
    return (statistics, toy.takeGradients())
  }
}

@Suite struct ForwardProcessTests {
  @Test func `a deterministic rollout stores the finished samples alone`() throws {
    let scene = try ForwardScene()
    let (rollout, old) = (scene.rollout, scene.old)
    #expect(rollout.steps == [0, 2, 3])
    #expect(rollout.latents.shape == [1, 6, 6])
    #expect(rollout.velocities.shape == [0, 6, 6])
    #expect(scene.samples.count == 6)
    let expected = integrate(
      old.velocity, from: scene.noise.initial(scene.trunks), over: toySchedule,
      promptIndices: Array(0..<6))
    #expect(largestDifference(rollout.latents.selected(dim: 0, index: 0), expected) < 1e-5)
    for trunk in 0..<6 {
      let id = SampleID(trunk: trunk, step: nil)
      let found = try #require(scene.samples[id])
      let stored = rollout.latents.narrowed(dim: 1, start: trunk, length: 1)
      #expect(stored.floats() == found)
      let alone = regenerate(
        id, of: scene.trunks[trunk], plan: rollout.plan, noise: scene.noise, field: old.velocity)
      #expect(largestDifference(alone.floats(), found) < 1e-5)
    }
    #expect(rollout.plan.evaluationsPerTrunk(steps: rollout.steps) == 5)
    #expect(rollout.plan.samplesPerTrunk(steps: rollout.steps) == 1)
    try rollout.plan.checkWeights()
    #expect(scene.trainingSamples.count == 3 * 6)
  }

  @Test(arguments: ForwardScene.objectives)
  func `the gradient is that of the loss at x_t, by autograd in float64`(
    objective: ForwardProcessObjective
  ) throws {
    let scene = try ForwardScene()
    let found = scene.gradient(objective, old: scene.old.velocity)
    let expected = referenceLoss(objective, scene)
    let gradient = scene.toy.takeGradients()
    #expect(gradient.contains { abs($0) > 1e-3 })
    #expect(relativeError(found.gradient, gradient) < 2e-5)
    #expect(abs(found.statistics.policyLoss - expected) < 1e-5 * max(1, abs(expected)))
    #expect(try #require(found.statistics.oldVelocityDistance) > 1e-4)
    #expect(found.statistics.klDivergence > 1e-2)
    #expect(found.statistics.logProbabilityDeviation.isEmpty)
    try found.statistics.checkFinite()
  }

  /// The loss as written, with x_t, predicted data and log-probabilities; backpropagates it.
  private func referenceLoss(_ objective: ForwardProcessObjective, _ scene: ForwardScene) -> Double
  {
    let rollout = scene.rollout
    let reference = ToyField(width: 6, trunks: 6, seed: 77)
    var total = 0.0
    for sample in scene.trainingSamples {
      let sigma = toySchedule.sigmas[rollout.steps[sample.stepIndex]]
      let x0 = rollout.latents.selected(dim: 0, index: 0)
        .narrowed(dim: 0, start: sample.trunk, length: 1).to(.float64)
      let eps = scene.noise.branches([
        (scene.trunks[sample.trunk], rollout.steps[sample.stepIndex], 0)
      ]).to(.float64)
      let state = x0 * (1 - sigma) + eps * sigma
      func velocity(_ field: ToyField) -> Tensor {
        field.velocity(state, Tensor.full([1], sigma, dtype: .float64), [sample.trunk])
      }
      let (old, other) = withoutGradient { (velocity(scene.old), velocity(reference)) }
      let new = velocity(scene.toy)
      let advantage = sample.advantages[0]
      var loss: Tensor
      switch objective.method {
      case .diffusionNFT(let beta, let limit):
        let weight = min(max(0.5 + advantage / limit / 2, 0), 1)
        func error(_ policy: Tensor) -> Tensor {
          let distance = state - policy * sigma - x0
          let scale = withoutGradient { distance.abs().mean().item() }
          return distance.squared().mean() / max(scale, 1e-5)
        }
        let (good, bad) = (
          error(new * beta + old * (1 - beta)), error(old * (1 + beta) - new * beta)
        )
        loss = (good * weight + bad * (1 - weight)) * (limit / beta)
      case .advantageWeightedMatching(let range, let weight):
        #expect(weight == .sigma)
        func logProbability(_ policy: Tensor) -> Tensor {
          (policy - (eps - x0)).squared().mean() * -sigma
        }
        let ratio = (logProbability(new) - logProbability(old)).exp()
        loss = (ratio * -advantage).maximum(
          ratio.clamped(1 - range.low, 1 + range.high) * -advantage)
      }
      total += loss.item() / Double(scene.trainingSamples.count)
      loss = loss + (new - other).squared().mean() * objective.klBeta
      (loss / Double(scene.trainingSamples.count)).backward(retainGraph: false)
    }
    return total
  }

  @Test(arguments: ForwardScene.objectives)
  func `micro-batches and shares of an update add up to its gradient`(
    objective: ForwardProcessObjective
  ) throws {
    let scene = try ForwardScene()
    let whole = scene.gradient(objective, microBatch: 100, old: scene.old.velocity)
    let small = scene.gradient(objective, microBatch: 4, old: scene.old.velocity)
    #expect(relativeError(small.gradient, whole.gradient) < 1e-5)
    let parts = (0..<3).map {
      scene.gradient(
        objective, microBatch: 4, share: WorkShare($0, of: 3), old: scene.old.velocity
      ).gradient
    }
    let sum = zip(zip(parts[0], parts[1]), parts[2]).map { $0.0 + $0.1 + $1 }
    #expect(relativeError(sum, whole.gradient) < 1e-5)
  }

  @Test(arguments: ForwardScene.objectives)
  func `a policy that has not moved has a ratio of one and no distance from the old one`(
    objective: ForwardProcessObjective
  ) throws {
    let scene = try ForwardScene()
    let evaluated = scene.gradient(objective, old: scene.toy.velocity)
    let assumed = scene.gradient(objective, old: nil)
    #expect(assumed.statistics.oldVelocityDistance == 0)
    #expect(try #require(evaluated.statistics.oldVelocityDistance) < 1e-12)
    #expect(relativeError(evaluated.gradient, assumed.gradient) < 1e-6)
    switch objective.method {
    case .diffusionNFT:
      #expect(!assumed.statistics.hasRatios && assumed.statistics.ratioDeviation.isEmpty)
      #expect(assumed.statistics.approximateKL == nil)
    case .advantageWeightedMatching:
      #expect(assumed.statistics.maximumRatioDeviation == 0)
      #expect(assumed.statistics.approximateKL == 0)
    }
  }

  @Test func `a sample without an advantage pulls DiffusionNFT toward the old policy`() throws {
    let scene = try ForwardScene()
    let zeros = scene.trainingSamples.filter { $0.advantages == [0] }
    #expect(zeros.count == 3)
    for objective in ForwardScene.objectives {
      var alone = objective
      alone.klBeta = 0
      let isNFT = if case .diffusionNFT = objective.method { true } else { false }
      #expect(zeros.allSatisfy { $0.isSkippable(alone) == !isNFT })
      alone.oldBeta = 1
      #expect(zeros.allSatisfy { !$0.isSkippable(alone) })
      #expect(zeros.allSatisfy { !$0.isSkippable(objective) })
    }
  }

  @Test(arguments: ForwardScene.objectives)
  func `a sample that is not finite and so has no score changes nothing`(
    _ objective: ForwardProcessObjective
  ) throws {
    let scene = try ForwardScene(unscored: 2)
    let rows = scene.trainingSamples.filter { $0.trunk == 2 }
    #expect(rows.count == 3 && rows.allSatisfy { $0.isSkippable(objective) })
    let expected = scene.gradient(objective, old: scene.old.velocity)
    scene.rollout.latents.narrowed(dim: 1, start: 2, length: 1).fill_(.nan)
    let found = scene.gradient(objective, old: scene.old.velocity)
    #expect(found.gradient == expected.gradient)
    #expect(found.gradient.allSatisfy { $0.isFinite })
    #expect(found.gradient.contains { $0 != 0 })
  }

  @Test(arguments: [
    (RewardCombination.weightedSum, [1.0, 2], [1, 3]), (.weightedSum, [1, 0], [3]),
    (.perReward, [1, 2], [3]), (.perReward, [0, 2], [1, 3]),
  ])
  func `a sum with a missing term trains no sample, normalized rewards train with the others`(
    _ combination: RewardCombination, _ weights: [Double], _ unscored: [Int]
  ) throws {
    let scene = try ForwardScene()
    var rewards: [SampleID: [Double?]] = [:]
    for trunk in 0..<6 {
      rewards[SampleID(trunk: trunk, step: nil)] = [
        trunk == 3 ? nil : Double(trunk), [1, 3].contains(trunk) ? nil : 0.5 * Double(trunk),
      ]
    }
    var settings = AdvantageSettings(baseline: .prompt, scale: .prompt)
    settings.combination = combination
    settings.weights = weights
    let samples = scene.rollout.trainingSamples(
      Advantages(scene.rollout.rewardRows(rewards), settings))
    #expect(Set(samples.filter(\.isUnscored).map(\.trunk)) == Set(unscored))
  }

  @Test func `processes exchange the finished latents of a trunk once`() throws {
    let scene = try ForwardScene()
    let wanted = scene.trainingSamples.filter { $0.trunk > 1 }
    let sent = scene.rollout.distinct(wanted)
    #expect(sent.map(\.trunk) == [2, 3, 4, 5])
    let states = scene.rollout.states(of: sent)
    #expect(states.shape == [4, 1, 6])
    let held = scene.rollout.holding(sent, states)
    func gradient(_ rollout: Rollout) -> [Double] {
      forwardProcessGradient(
        ForwardScene.objectives[0], rollout: rollout, samples: wanted, microBatch: 5,
        field: scene.toy.velocity, old: scene.old.velocity, reference: scene.old.velocity,
        collect: { $0 })
      return scene.toy.takeGradients()
    }
    #expect(gradient(held) == gradient(scene.rollout))
  }
}
