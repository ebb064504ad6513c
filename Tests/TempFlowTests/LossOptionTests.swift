import Foundation
import TempFlow
import TestSupport
import Testing

@Suite struct LossOptionTests {
  /// A limit that lowers the noise of some of the toy schedule's steps.
  private static let limited = Dynamics.flowSDE(noiseLevel: 0.7, noiseLimit: 0.5)

  private var other: ToyField { ToyField(width: 8, trunks: 5, seed: 99) }

  @Test(arguments: Distance.allCases, [Dynamics.flowSDE(noiseLevel: 0.7), limited])
  func `centered ratios have the right gradient`(distance: Distance, dynamics: Dynamics) throws {
    for weighting in PolicyObjective.Weighting.allCases {
      compare(
        try Scene(dynamics: dynamics),
        objective {
          $0.ratio = .centered
          $0.weighting = weighting
          $0.clipRange = 0.01
        }, distance, fold: .each)
    }
  }

  @Test(arguments: Distance.allCases)
  func `centered ratios follow the log-probability of the dynamics`(distance: Distance) throws {
    compare(
      try Scene(dynamics: .danceSDE(eta: 0.5)), objective { $0.ratio = .centered }, distance,
      fold: .shared)
    // The log-probability of coefficient-preserving steps has no division by w^2.
    compare(
      try Scene(dynamics: .cps(noiseLevel: 0.7)),
      objective {
        $0.ratio = .centered
        $0.weighting = .none
        $0.clipRange = 0.003
      }, distance, fold: .shared)
  }

  @Test(arguments: PolicyObjective.Weighting.allCases)
  func `on the rollout's policy centered ratios have the gradient of plain ones bit for bit`(
    weighting: PolicyObjective.Weighting
  ) throws {
    let scene = try Scene()
    // Old velocities of the update's own batches, so that all ratios are exactly 1.
    func gradients(_ ratio: PolicyObjective.Ratio) -> [Double] {
      let loss = objective {
        $0.ratio = ratio
        $0.weighting = weighting
      }
      var rollout = scene.rollout
      rollout.recomputeOldVelocities(
        of: [scene.trainingSamples], loss, microBatch: 4, field: scene.field)
      let statistics = policyGradient(
        loss, rollout: rollout, samples: scene.trainingSamples, microBatch: 4, field: scene.field)
      #expect(statistics.maximumRatioDeviation == 0)
      return scene.toy.takeGradients()
    }
    let plain = gradients(.plain)
    #expect(plain.contains { abs($0) > 1e-3 })
    #expect(gradients(.centered) == plain)
  }

  @Test func `equal changes of the velocity give centered ratios of one width at every step`()
    throws
  {
    let scene = try Scene(method: .branching(branches: 16))
    let rollout = scene.rollout
    let change = Tensor.randn([1, 8], generator: Generator(seed: 8)) * 0.3
    func update(_ ratio: PolicyObjective.Ratio) -> PolicyStatistics {
      defer { _ = scene.toy.takeGradients() }
      return policyGradient(
        objective { $0.ratio = ratio }, rollout: rollout, samples: scene.trainingSamples,
        microBatch: 64,
        field: { scene.field($0, $1, $2) + change })
    }
    // |b| / w of the SDE, averaged over steps: the only number of the steps in a centered ratio.
    let widths = rollout.coefficients.map { -$0.velocityFactor / $0.stdDev }
    let width = widths.reduce(0, +) / Double(widths.count)
    #expect(try #require(widths.max()) > 3 * (try #require(widths.min())))
    let (centered, plain) = (update(.centered), update(.plain))
    for step in rollout.steps {
      let eps = rollout.noise.branches(
        rollout.trunks.flatMap { trunk in (0..<16).map { (trunk, step, $0) } })
      let products = (eps * change).mean(dims: [1]).doubles()
      let centeredDeviation = try #require(products.map { abs(exp(-width * $0) - 1) }.max())
      #expect(abs(try #require(centered.ratioDeviation[step]) - centeredDeviation) < 1e-5)
      // Plain ratios have the step's own width and a bias of its square.
      let own = widths[step]
      let bias = own * own / 2 * change.squared().mean().item()
      let plainDeviation = try #require(products.map { abs(exp(-own * $0 - bias) - 1) }.max())
      #expect(abs(try #require(plain.ratioDeviation[step]) - plainDeviation) < 1e-5)
    }
  }

  @Test(arguments: Distance.allCases, PolicyObjective.KLSpace.allCases)
  func `inverse noise weighs the policy term, and the KL term of means by the square`(
    distance: Distance, space: PolicyObjective.KLSpace
  ) throws {
    let other = other
    compare(
      try Scene(),
      objective {
        $0.weighting = .inverseNoise
        $0.klBeta = 0.3
        $0.klSpace = space
      }, distance, fold: .each, reference: other.velocity)
    #expect(other.takeGradients().allSatisfy { $0 == 0 })
  }

  @Test func `weights of inverse noise even out the steps of Stable Diffusion 3`() throws {
    var configuration = SchedulerConfiguration()
    configuration.shift = 3
    let level = 0.7
    let plan = try RolloutPlan(
      schedule: FlowSchedule(configuration, stepCount: 10), dynamics: .flowSDE(noiseLevel: level),
      method: .branching(branches: 6))
    let weights = plan.weights(.inverseNoise, of: Array(0..<9))
    let expected = [
      2.5307058, 2.2892942, 1.3885719, 0.9546890, 0.6796852, 0.4837313, 0.3350377, 0.2175789,
      0.1207060,
    ]
    for (found, value) in zip(weights, expected) { #expect(abs(found - value) < 1e-7) }
    #expect(abs(weights.reduce(0, +) / 9 - 1) < 1e-12)
    // b / w is (1 + a^2 / 2) / a over the weight, but at sigma 1, where 1 - sigma is 0.
    let ratios = weights.indices.map { index in
      let step = plan.schedule.step(index, plan.dynamics)
      return -step.velocityFactor / step.stdDev * weights[index]
    }
    for ratio in ratios.dropFirst() { #expect(abs(ratio / ratios[1] - 1) < 1e-12) }
    #expect(abs(ratios[0] / ratios[1] - 1 / (1 + level * level / 2)) < 1e-12)
    // A noise limit leaves them: they are those of the schedule.
    let limited = try RolloutPlan(
      schedule: plan.schedule, dynamics: .flowSDE(noiseLevel: level, noiseLimit: 0.45),
      method: plan.method)
    #expect(limited.weights(.inverseNoise, of: Array(0..<9)) == weights)
  }

  @Test(arguments: Distance.allCases)
  func `a KL term of velocities has the right gradient and is flat over steps`(
    distance: Distance
  ) throws {
    let scene = try Scene()
    let other = other
    let flat = objective {
      $0.klBeta = 0.3
      $0.klSpace = .velocity
    }
    compare(scene, flat, distance, fold: .each, reference: other.velocity)
    #expect(other.takeGradients().allSatisfy { $0 == 0 })
    // A constant distance: its square at each step.
    let statistics = policyGradient(
      flat, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 5,
      field: scene.field, reference: { scene.field($0, $1, $2) + 0.5 })
    for step in scene.rollout.steps {
      let found = try #require(statistics.perStep[step]?.klDivergence)
      #expect(abs(found - 0.25) < 1e-6)
    }
    _ = scene.toy.takeGradients()
  }

  @Test(arguments: [0, 0.3])
  func `the mean over active samples leaves out those that are skipped`(klBeta: Double) throws {
    let scene = try Scene()
    scene.toy.perturb(by: 0.03, seed: 17)
    let other = other
    let active = objective {
      $0.average = .active
      $0.klBeta = klBeta
    }
    let samples = scene.halfSkippable()
    let kept = samples.filter { !$0.isSkippable(active) }
    #expect(kept.count == samples.count / 2)
    let statistics = policyGradient(
      active, rollout: scene.rollout, samples: samples, microBatch: 3, field: scene.field,
      reference: other.velocity)
    let found = scene.toy.takeGradients()
    let expected = ReferenceLoss(
      objective: active, rollout: scene.rollout, samples: kept, fold: .shared
    ).backward(field: scene.field, reference: other.velocity)
    #expect(relativeError(found, scene.toy.takeGradients()) < 2e-5)
    #expect(abs(statistics.policyLoss - expected.policy) < 1e-5)
    #expect(statistics.sampleCount == samples.count)
    #expect(statistics.skippedSampleCount == samples.count - kept.count)
  }

  @Test func `the mean over active samples counts those of all processes`() throws {
    let scene = try Scene()
    let samples = scene.halfSkippable()
    func gradients(_ shares: [WorkShare]) -> [Double] {
      for share in shares {
        let active = objective { $0.average = .active }
        // Statistics of the samples elsewhere are zeros here.
        let count = samples.count { !$0.isSkippable(active) }
        _ = policyGradient(
          active, rollout: scene.rollout, samples: samples, microBatch: 3, share: share,
          field: scene.field,
          collect: { rows in
            rows + [Float](repeating: 0, count: max(0, 10 * count - rows.count))
          })
      }
      return scene.toy.takeGradients()
    }
    let whole = gradients([.whole])
    #expect(whole.contains { abs($0) > 1e-3 })
    #expect(relativeError(gradients([WorkShare(0, of: 2), WorkShare(1, of: 2)]), whole) < 1e-5)
  }

  @Test(arguments: Distance.allCases)
  func `with a noise limit the loss has the weights of the limited noise`(
    distance: Distance
  ) throws {
    let scene = try Scene(dynamics: Self.limited)
    let plan = scene.rollout.plan
    let deviations = scene.rollout.coefficients.map(\.stdDev)
    #expect(deviations.contains { abs($0 - 0.5) < 1e-12 } && deviations.contains { $0 < 0.49 })
    let mean = deviations.reduce(0, +) / Double(deviations.count)
    for (step, weight) in zip(plan.weights(.noiseAware, of: scene.rollout.steps), deviations) {
      #expect(abs(step - weight / mean) < 1e-12)
    }
    compare(scene, objective(), distance, fold: .each)
  }

  @Test(
    .enabled(if: TorchRuntime.hasCUDA, "needs a CUDA device, real or simulated"),
    arguments: Distance.allCases)
  func `all options together have the right gradient on the GPU`(distance: Distance) throws {
    let other = ToyField(width: 8, trunks: 5, seed: 99, device: .cuda(0))
    compare(
      try Scene(dynamics: Self.limited, device: .cuda(0)),
      PolicyObjective(
        clipRange: 0.01, klBeta: 0.3, klSpace: .velocity, weighting: .inverseNoise,
        ratio: .centered, average: .active), distance, fold: .each, reference: other.velocity)
  }
}
