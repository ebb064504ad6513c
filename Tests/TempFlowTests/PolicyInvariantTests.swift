import TempFlow
import TestSupport
import Testing

@Suite struct PolicyInvariantTests {
  /// A field that differs slightly from the rollout's.
  private func drifting(_ field: @escaping VelocityField) -> VelocityField {
    { latents, sigma, promptIndices in field(latents, sigma, promptIndices) * 1.01 }
  }

  private var objective: PolicyObjective {
    var objective = PolicyObjective()
    objective.clipRange = 1e-4
    return objective
  }

  @Test func `the ratios of the first update are one`() throws {
    let scene = try Scene()
    let statistics = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 5,
      field: scene.field)
    try statistics.checkFirstUpdate(clipRange: 1e-4)
    try statistics.checkFinite()
    #expect(Set(statistics.ratioDeviation.keys) == [0, 1, 2, 3])
    #expect(statistics.clipFraction == 0)
  }

  @Test func `a network with other results in training is reported with a remedy`() throws {
    let scene = try Scene()
    let statistics = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 5,
      field: drifting(scene.field))
    let error = try #require(throws: InvariantError.self) {
      try statistics.checkFirstUpdate(clipRange: 1e-4)
    }
    guard case .rolloutAndTrainingDisagree(let step, let deviation, 1e-4) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(step == 0 && deviation > 1e-4)
    #expect(error.description.contains("old_log_prob: recomputed"))
  }

  @Test(arguments: [
    // Half precision at the paper's clip range: up to 30 clip ranges.
    (1e-4, 2.9e-3, true), (1e-4, 3.1e-3, false), (1e-5, 2.9e-4, true), (1e-5, 3.1e-4, false),
    // At most 3e-3, or the clip range if that is larger.
    (5e-4, 2.9e-3, true), (5e-4, 3.1e-3, false), (3e-2, 2.9e-2, true), (3e-2, 3.1e-2, false),
    (1e-4, .nan, false),
  ])
  func `a recomputed old policy allows rounding errors of half precision and no more`(
    clipRange: Double, deviation: Double, isAllowed: Bool
  ) throws {
    let scene = try Scene()
    var statistics = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 64,
      field: scene.field)
    statistics.logProbabilityDeviation = [0: 0, 3: deviation]
    do throws(InvariantError) {
      try statistics.checkFirstUpdate(clipRange: clipRange, recomputed: true)
      #expect(isAllowed)
    } catch {
      #expect(!isAllowed)
      guard case .rolloutAndRecomputationDisagree(3, _, _) = error else {
        Issue.record("\(error)")
        return
      }
    }
  }

  @Test func `with recomputed old log-probabilities the first ratios are one`() throws {
    let scene = try Scene()
    let field = drifting(scene.field)
    var rollout = scene.rollout
    var evaluations = 0
    rollout.recomputeOldVelocities(of: [scene.trainingSamples], objective, microBatch: 5) {
      latents, sigma, promptIndices in
      evaluations += promptIndices.count
      return field(latents, sigma, promptIndices)
    }
    #expect(evaluations == 0, "the first update needs no extra evaluation")
    let statistics = policyGradient(
      objective, rollout: rollout, samples: scene.trainingSamples, microBatch: 5, field: field)
    #expect(statistics.maximumRatioDeviation == 0)
    #expect(statistics.clipFraction == 0)
    // The deviation between rollout and training is still reported.
    let plain = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 5, field: field
    )
    for (step, deviation) in plain.logProbabilityDeviation {
      #expect(abs(statistics.logProbabilityDeviation[step]! - deviation) < 1e-6)
    }
    _ = scene.toy.takeGradients()
  }

  @Test func `samples of later updates are evaluated in advance unless skipped`() throws {
    let scene = try Scene()
    let samples = scene.halfSkippable()
    let later = Array(samples.suffix(10))
    var batches: [[Int]] = []
    var rollout = scene.rollout
    rollout.recomputeOldVelocities(
      of: [Array(samples.dropLast(10)), later], objective, microBatch: 4
    ) {
      latents, sigma, promptIndices in
      batches.append(promptIndices)
      return scene.field(latents, sigma, promptIndices)
    }
    var trained: [[Int]] = []
    _ = policyGradient(objective, rollout: rollout, samples: later, microBatch: 4) {
      latents, sigma, promptIndices in
      trained.append(promptIndices)
      return scene.field(latents, sigma, promptIndices)
    }
    #expect(batches.joined().count == 5)
    #expect(batches == trained)
    _ = scene.toy.takeGradients()
  }

  @Test(arguments: PolicyObjective.Ratio.allCases, Distance.allCases)
  func `recomputed log-probabilities keep the gradient of the same samples`(
    ratio: PolicyObjective.Ratio, distance: Distance
  ) throws {
    let scene = try Scene()
    let field = drifting(scene.field)
    var rollout = scene.rollout
    var objective = objective
    objective.clipRange = 0.01
    objective.ratio = ratio
    // On-policy samples belong to the first update, off-policy ones to a later one.
    rollout.recomputeOldVelocities(
      of: distance == .onPolicy ? [scene.trainingSamples] : [[], scene.trainingSamples], objective,
      microBatch: 5,
      field: field)
    var reference = ReferenceLoss(
      objective: objective, rollout: rollout, samples: scene.trainingSamples, fold: .each)
    reference.oldVelocities = reference.velocities(field)
    scene.toy.perturb(by: distance.rawValue, seed: 17)
    let statistics = policyGradient(
      objective, rollout: rollout, samples: scene.trainingSamples, microBatch: 5, field: field)
    let found = scene.toy.takeGradients()
    let expected = reference.backward(field: field)
    #expect(relativeError(found, scene.toy.takeGradients()) < 2e-5)
    #expect(abs(statistics.policyLoss - expected.policy) < 1e-5)
    #expect(abs(statistics.clipFraction - expected.clipped) < 1e-6)
  }

  /// Centered ratios scale the log-probability's difference.
  @Test func `a first ratio beyond the clip range is reported as a log-probability is`() throws {
    let scene = try Scene()
    var statistics = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 64,
      field: scene.field)
    statistics.logProbabilityDeviation = [0: 5e-5, 1: 0]
    statistics.ratioDeviation = [0: 3e-4, 1: 0]
    #expect(
      throws: InvariantError.rolloutAndTrainingDisagree(
        step: 0, deviation: 3e-4, clipRange: 1e-4)
    ) { try statistics.checkFirstUpdate(clipRange: 1e-4) }
    try statistics.checkFirstUpdate(clipRange: 1e-4, recomputed: true)
  }

  @Test func `a loss that is not finite is named`() throws {
    let scene = try Scene()
    let statistics = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 5
    ) { latents, sigma, promptIndices in scene.field(latents, sigma, promptIndices) * Double.nan }
    #expect(!statistics.isFinite)
    #expect(throws: InvariantError.notFinite(what: "the policy loss", step: nil)) {
      try statistics.checkFinite()
    }
    #expect(throws: InvariantError.self) { try statistics.checkFirstUpdate(clipRange: 1e-4) }
  }

  @Test(arguments: [BranchSteps.all, .first(2), .sliding(2), .random(3), .list([0, 3])])
  func `weights average to one over the steps that can be trained`(steps: BranchSteps) throws {
    let plan = try RolloutPlan(
      schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: .branching(branches: 2),
      steps: steps)
    for weighting in PolicyObjective.Weighting.allCases { try plan.checkWeights(weighting) }
  }
}
