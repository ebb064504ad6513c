import Foundation
import TempFlow
import TestSupport
import Testing

/// The distance of the trained policy from the rollout's.
enum Distance: Double, CaseIterable {
  case onPolicy = 0
  case offPolicy = 0.03
}

/// A rollout with advantages, and its field.
struct Scene {
  let rollout: Rollout
  let trainingSamples: [TrainingSample]
  let toy: ToyField
  let field: VelocityField

  /// - Parameter guidanceScale: nil uses the field without guidance; with a scale, prompt index 4
  ///   is the unconditional branch.
  init(
    method: RolloutMethod = .branching(branches: 4), steps: BranchSteps = .all,
    dynamics: Dynamics = .flowSDE(noiseLevel: 0.7), guidanceScale: Double? = nil,
    device: Device = .cpu
  ) throws {
    let trunks = toyTrunks(prompts: 2, seeds: 2)
    let toy = ToyField(width: 8, trunks: 5, seed: 3, device: device)
    self.toy = toy
    field =
      if let guidanceScale {
        Guidance.classifierFree(scale: guidanceScale).applied(to: toy.velocity, negative: 4)
      } else {
        toy.velocity
      }
    let plan = try RolloutPlan(
      schedule: toySchedule, dynamics: dynamics, method: method, steps: steps)
    let noise = NoiseSource(run: 21, epoch: 1, shape: [8], device: device)
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: field)
    self.rollout = rollout
    let rewards = samples.mapValues { [Double($0[0] - $0[1] * $0[2])] as [Double?] }
    let settings = AdvantageSettings(baseline: plan.branchCount == 1 ? .prompt : .seed)
    trainingSamples = rollout.trainingSamples(Advantages(rollout.rewardRows(rewards), settings))
  }

  /// The samples, of which every second one has equal rewards and therefore no gradient.
  func halfSkippable() -> [TrainingSample] {
    let values = trainingSamples.enumerated().flatMap { index, sample in
      index % 2 == 0 ? sample.advantages : sample.advantages.map { _ in 0 }
    }
    let rows = rollout.rewardRows(
      Dictionary(
        uniqueKeysWithValues: trainingSamples.flatMap { sample in
          sample.advantages.indices.map { branch in
            let step = rollout.steps[sample.stepIndex]
            let index = trainingSamples.firstIndex(of: sample).map { $0 * 4 + branch } ?? 0
            return (
              SampleID(trunk: sample.trunk, step: step, branch: branch),
              [values[index]] as [Double?]
            )
          }
        }))
    return rollout.trainingSamples(Advantages(rows))
  }
}

/// An objective whose clip range is exceeded by some ratios of the off-policy scene.
func objective(_ change: (inout PolicyObjective) -> Void = { _ in }) -> PolicyObjective {
  var objective = PolicyObjective()
  objective.clipRange = 0.02
  change(&objective)
  return objective
}

/// Compares the closed form with autograd on one loss.
func compare(
  _ scene: Scene, _ objective: PolicyObjective, _ distance: Distance, fold: Fold,
  reference: VelocityField? = nil, sourceLocation: SourceLocation = #_sourceLocation
) {
  scene.toy.perturb(by: distance.rawValue, seed: 17)
  let statistics = policyGradient(
    objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 3,
    field: scene.field,
    reference: reference)
  let found = scene.toy.takeGradients()
  let expected = ReferenceLoss(
    objective: objective, rollout: scene.rollout, samples: scene.trainingSamples, fold: fold
  ).backward(field: scene.field, reference: reference)
  let gradients = scene.toy.takeGradients()
  #expect(gradients.contains { abs($0) > 1e-3 }, sourceLocation: sourceLocation)
  // float32 against float64.
  #expect(relativeError(found, gradients) < 2e-5, sourceLocation: sourceLocation)
  #expect(abs(statistics.policyLoss - expected.policy) < 1e-5, sourceLocation: sourceLocation)
  #expect(abs(statistics.klDivergence - expected.kl) < 1e-5, sourceLocation: sourceLocation)
  #expect(abs(statistics.clipFraction - expected.clipped) < 1e-6, sourceLocation: sourceLocation)
  switch distance {
  case .onPolicy:
    #expect(expected.clipped == 0, sourceLocation: sourceLocation)
    #expect(statistics.maximumRatioDeviation < 1e-5, sourceLocation: sourceLocation)
  case .offPolicy:
    #expect(
      expected.clipped > 0.1 && expected.clipped < 0.9, "\(expected.clipped)",
      sourceLocation: sourceLocation)
  }
}

@Suite struct PolicyGradientTests {
  @Test(arguments: Distance.allCases, [Fold.shared, .each])
  func `one forward pass and one product equal autograd, shared and K-fold`(
    distance: Distance, fold: Fold
  ) throws {
    compare(try Scene(), objective(), distance, fold: fold)
  }

  @Test(arguments: Distance.allCases, [Fold.shared, .each])
  func `the gradient flows through both halves of guidance`(
    distance: Distance, fold: Fold
  ) throws {
    compare(try Scene(guidanceScale: 2.5), objective(), distance, fold: fold)
  }

  @Test(arguments: [
    Dynamics.flowSDE(noiseLevel: 1.2), .danceSDE(eta: 0.5),
    .cps(noiseLevel: 0.7),
  ])
  func `every dynamics has its own log-probability`(dynamics: Dynamics) throws {
    let scene = try Scene(dynamics: dynamics)
    let wide = objective { $0.clipRange = 1.0 }
    scene.toy.perturb(by: 0.05, seed: 4)
    policyGradient(
      wide, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 64,
      field: scene.field)
    let found = scene.toy.takeGradients()
    _ = ReferenceLoss(
      objective: wide, rollout: scene.rollout, samples: scene.trainingSamples, fold: .each
    ).backward(field: scene.field)
    #expect(relativeError(found, scene.toy.takeGradients()) < 2e-5)
  }

  @Test(
    .enabled(if: TorchRuntime.hasCUDA, "needs a CUDA device, real or simulated"),
    arguments: Distance.allCases)
  func `the gradient on the GPU equals autograd's`(distance: Distance) throws {
    compare(try Scene(guidanceScale: 2.5, device: .cuda(0)), objective(), distance, fold: .each)
  }

  @Test func `in float16 a scaled gradient is accurate where the plain one underflows`() throws {
    // One factor per trunk, for samples of the size of an image of 512 pixels.
    let factors = Tensor.ones([4]) * 0.5
    factors.requiresGradient = true
    func field(_ dtype: DType) -> VelocityField {
      { latents, _, promptIndices in
        let factor = factors.to(dtype).indexSelect(
          dim: 0, Tensor(promptIndices, shape: [promptIndices.count]))
        return latents.to(dtype) * factor.unsqueezed(1)
      }
    }
    let plan = try RolloutPlan(
      schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: .branching(branches: 2))
    let trunks = toyTrunks(prompts: 2, seeds: 2)
    let noise = NoiseSource(run: 21, epoch: 1, shape: [65_536])
    let rollout = rollOut(plan, trunks: trunks, noise: noise, field: field(.float32)) { _ in }
    func samples(_ reward: (Int) -> Double) -> [TrainingSample] {
      let rewards = rollout.steps.flatMap { step in
        trunks.indices.flatMap { trunk in
          (0..<2).map {
            (SampleID(trunk: trunk, step: step, branch: $0), [reward($0)] as [Double?])
          }
        }
      }
      return rollout.trainingSamples(
        Advantages(rollout.rewardRows(Dictionary(uniqueKeysWithValues: rewards))))
    }
    // An update of 416 samples, most of which have equal rewards.
    let samples = samples { Double($0) } + (0..<25).flatMap { _ in samples { _ in 0 } }
    func gradient(_ dtype: DType, scale: Double) -> [Double] {
      policyGradient(
        objective { $0.clipRange = 1.0 }, rollout: rollout, samples: samples, microBatch: 16,
        gradientScale: scale, field: field(dtype))
      defer { factors.gradient = nil }
      return factors.gradient!.doubles().map { $0 / scale }
    }
    let exact = gradient(.float32, scale: 1)
    #expect(relativeError(gradient(.float32, scale: 0x1p16), exact) < 1e-6)
    #expect(relativeError(gradient(.float16, scale: 0x1p16), exact) < 2e-2)
    #expect(relativeError(gradient(.float16, scale: 1), exact) > 0.5)
  }

  @Test(arguments: Distance.allCases)
  func `the gradient of Flow-GRPO is the case of one branch`(distance: Distance) throws {
    // There are few samples, so the clip range is narrow enough to clip some of them.
    let narrow = objective { $0.clipRange = 0.002 }
    compare(try Scene(method: .flowGRPO), narrow, distance, fold: .each)
    compare(try Scene(method: .flowGRPOFast, steps: .first(2)), narrow, distance, fold: .each)
  }

  @Test(arguments: Distance.allCases)
  func `without noise-aware weights the loss is Flow-GRPO's`(distance: Distance) throws {
    compare(try Scene(), objective { $0.weighting = .none }, distance, fold: .each)
  }

  @Test(arguments: Distance.allCases)
  func `the KL term has the right gradient`(distance: Distance) throws {
    let scene = try Scene()
    let other = ToyField(width: 8, trunks: 5, seed: 99)
    compare(
      scene, objective { $0.klBeta = 0.3 }, distance, fold: .each, reference: other.velocity)
    #expect(other.takeGradients().allSatisfy { $0 == 0 })
  }

  @Test(arguments: Distance.allCases)
  func `GRPO-Guard's ratios have the right gradient`(distance: Distance) throws {
    compare(
      try Scene(),
      objective {
        $0.ratio = .guarded
        $0.clipRange = 0.004
      }, distance, fold: .each)
  }

  @Test(arguments: Distance.allCases)
  func `a clip range of unequal sides has the right gradient`(distance: Distance) throws {
    let scene = try Scene()
    for range in [ClipRange(low: 0.001, high: 0.01), ClipRange(low: 0.01, high: 0.001)] {
      compare(scene, objective { $0.clipRange = range }, distance, fold: .each)
    }
  }

  @Test func `the on-policy derivative by the velocity is the advantage-weighted noise`() throws {
    let plan = try RolloutPlan(
      schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: .branching(branches: 5),
      steps: .list([2]))
    let trunks = toyTrunks(prompts: 1, seeds: 2)
    let velocities = Tensor.randn([2, 8], generator: Generator(seed: 2))
    velocities.requiresGradient = true
    let field: VelocityField = { _, _, promptIndices in
      velocities.indexSelect(dim: 0, Tensor(promptIndices, shape: [promptIndices.count]))
    }
    let noise = NoiseSource(run: 1, epoch: 0, shape: [8])
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: field)
    let advantages = Advantages(rollout.rewardRows(samples.mapValues { [Double($0[0])] }))
    let trainingSamples = rollout.trainingSamples(advantages)
    let statistics = policyGradient(
      objective(), rollout: rollout, samples: trainingSamples, microBatch: 8, field: field)
    #expect(statistics.maximumRatioDeviation == 0)
    let step = rollout.coefficients[0]
    for (index, sample) in trainingSamples.enumerated() {
      let eps = noise.branches((0..<5).map { (trunks[index], 2, $0) })
      let weights = Tensor(sample.advantages.map(Float.init), shape: [5, 1])
      // c w is 1 with a single step, so c b is b / w.
      let expected =
        (eps * weights).mean(dims: [0]) * (-step.velocityFactor / (step.stdDev * 8 * 2))
      let found = try #require(velocities.gradient).selected(dim: 0, index: index)
      #expect(relativeError(found, expected) < 1e-6)
    }
  }

  @Test(arguments: [1, 2, 5, 1000])
  func `micro-batches do not change the gradient`(microBatch: Int) throws {
    let scene = try Scene()
    scene.toy.perturb(by: 0.03, seed: 17)
    let whole = policyGradient(
      objective(), rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 16,
      field: scene.field)
    let expected = scene.toy.takeGradients()
    let cut = policyGradient(
      objective(), rollout: scene.rollout, samples: scene.trainingSamples, microBatch: microBatch,
      field: scene.field)
    #expect(relativeError(scene.toy.takeGradients(), expected) < 1e-5)
    #expect(abs(cut.policyLoss - whole.policyLoss) < 1e-6)
    #expect(cut.clipFraction == whole.clipFraction)
  }

  @Test func `latents may have any shape`() throws {
    let scene = try Scene()
    var noise = scene.rollout.noise
    noise.shape = [2, 2, 2]
    let field: VelocityField = { latents, sigma, promptIndices in
      scene.field(latents.reshaped([promptIndices.count, 8]), sigma, promptIndices)
        .reshaped([promptIndices.count, 2, 2, 2])
    }
    let (rollout, samples) = collect(
      scene.rollout.plan, trunks: scene.rollout.trunks, noise: noise, field: field)
    #expect(rollout.latents.shape == [4, 4, 2, 2, 2])
    #expect(samples.values.allSatisfy { $0.count == 8 })
    let wide = objective { $0.klBeta = 0.1 }
    scene.toy.perturb(by: 0.03, seed: 17)
    let other = ToyField(width: 8, trunks: 5, seed: 99)
    policyGradient(
      wide, rollout: rollout, samples: scene.trainingSamples, microBatch: 5, field: field,
      reference: { latents, sigma, promptIndices in
        other.velocity(latents.reshaped([promptIndices.count, 8]), sigma, promptIndices)
          .reshaped([promptIndices.count, 2, 2, 2])
      })
    let found = scene.toy.takeGradients()
    policyGradient(
      wide, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 5,
      field: scene.field,
      reference: other.velocity)
    #expect(relativeError(found, scene.toy.takeGradients()) < 1e-6)
  }

  @Test func `a sample without advantages keeps its KL term unless its whole trunk has none`()
    throws
  {
    let scene = try Scene()
    scene.toy.perturb(by: 0.03, seed: 17)
    let steps = scene.rollout.steps
    // Trunk 0 is degenerate at two of four steps, trunk 1 at all of them.
    func reward(_ sample: TrainingSample, _ branch: Int) -> Double {
      let isEqual = sample.trunk == 1 || sample.trunk == 0 && sample.stepIndex < 2
      return isEqual ? 1 : Double((branch * 7 + sample.stepIndex) % 5)
    }
    let rows = scene.rollout.rewardRows(
      Dictionary(
        uniqueKeysWithValues: scene.trainingSamples.flatMap { sample in
          (0..<4).map { branch in
            (
              SampleID(trunk: sample.trunk, step: steps[sample.stepIndex], branch: branch),
              [reward(sample, branch)] as [Double?]
            )
          }
        }))
    let samples = scene.rollout.trainingSamples(Advantages(rows))
    let kept = samples.filter { $0.trunk != 1 }
    let withKL = objective { $0.klBeta = 0.5 }
    let other = ToyField(width: 8, trunks: 5, seed: 99)
    var evaluated = 0
    let statistics = policyGradient(
      withKL, rollout: scene.rollout, samples: samples, microBatch: 4,
      field: { latents, sigma, promptIndices in
        evaluated += promptIndices.count
        return scene.field(latents, sigma, promptIndices)
      }, reference: other.velocity)
    let found = scene.toy.takeGradients()
    #expect(evaluated == kept.count && statistics.skippedSampleCount == samples.count - kept.count)
    let expected = ReferenceLoss(
      objective: withKL, rollout: scene.rollout, samples: kept, fold: .shared
    ).backward(field: scene.field, reference: other.velocity)
    // The reference loss divides by the number of kept samples.
    let share = Double(kept.count) / Double(samples.count)
    #expect(relativeError(found, scene.toy.takeGradients().map { $0 * share }) < 2e-5)
    #expect(abs(statistics.klDivergence - expected.kl) < 1e-5)
    // Without a KL term, samples of both trunks with equal rewards are skipped.
    #expect(samples.count { !$0.isSkippable(objective()) } == samples.count - 4 - 2)
  }

  @Test(arguments: PolicyObjective.Ratio.allCases)
  func `an update has statistics of each step`(ratio: PolicyObjective.Ratio) throws {
    let scene = try Scene()
    scene.toy.perturb(by: 0.03, seed: 17)
    let clipped = objective {
      $0.ratio = ratio
      if ratio == .guarded { $0.clipRange = 0.004 }
    }
    let statistics = policyGradient(
      clipped, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 3,
      field: scene.field)
    let ratios = ReferenceLoss(
      objective: clipped, rollout: scene.rollout, samples: scene.trainingSamples, fold: .shared
    ).logRatios(scene.field)
    var squares = 0.0
    for (stepIndex, step) in scene.rollout.steps.enumerated() {
      let rows = zip(scene.trainingSamples, ratios).filter { $0.0.stepIndex == stepIndex }.flatMap {
        sample, ratios in
        zip(sample.advantages, ratios).map {
          (advantage: $0, logRatio: $1.plain, ratio: exp($1.scaled))
        }
      }
      squares += rows.reduce(0) { $0 + $1.logRatio * $1.logRatio }
      let found = try #require(statistics.perStep[step])
      #expect(found.rowCount == rows.count && found.sampleCount == 4)
      let mean = rows.reduce(0) { $0 + $1.logRatio } / Double(rows.count)
      #expect(abs(try #require(found.meanLogRatio) - mean) < 1e-5)
      let positive = rows.filter { $0.advantage > 0 }
      let negative = rows.filter { $0.advantage < 0 }
      let range = clipped.clipRange.ratios
      #expect(
        found.clipFractionPositive
          == Double(positive.count { $0.ratio > range.upperBound }) / Double(positive.count))
      #expect(
        found.clipFractionNegative
          == Double(negative.count { $0.ratio < range.lowerBound }) / Double(negative.count))
      #expect(found.squaredGradient > 0)
      let deviation = try #require(rows.map { abs($0.ratio - 1) }.max())
      #expect(abs(try #require(statistics.ratioDeviation[step]) - deviation) < 1e-5)
      let largest = try #require(rows.map { abs($0.logRatio) }.max())
      #expect(abs(try #require(statistics.logProbabilityDeviation[step]) - largest) < 1e-5)
    }
    let rowCount = scene.trainingSamples.count * 4
    #expect(abs(try #require(statistics.approximateKL) - squares / Double(2 * rowCount)) < 1e-6)
    _ = scene.toy.takeGradients()
  }

  @Test func `a sample whose branches all lack a reward is skipped, also with a KL term`() throws {
    let scene = try Scene()
    let steps = scene.rollout.steps
    let rewards = scene.rollout.trunks.indices.flatMap { trunk in
      steps.indices.flatMap { index in
        (0..<scene.rollout.plan.branchCount).map { branch in
          (
            SampleID(trunk: trunk, step: steps[index], branch: branch),
            [trunk == 0 && index == 1 ? nil : Double(branch)] as [Double?]
          )
        }
      }
    }
    let samples = scene.rollout.trainingSamples(
      Advantages(scene.rollout.rewardRows(Dictionary(uniqueKeysWithValues: rewards))))
    let withKL = objective { $0.klBeta = 0.5 }
    #expect(
      samples.filter { $0.isSkippable(withKL) }.map { [$0.trunk, $0.stepIndex] } == [[0, 1]])
  }

  @Test func `samples without advantages are skipped and count in the mean`() throws {
    let scene = try Scene()
    scene.toy.perturb(by: 0.03, seed: 17)
    let samples = scene.halfSkippable()
    #expect(samples.filter { $0.isSkippable(PolicyObjective()) }.count == samples.count / 2)
    var evaluated = 0
    let statistics = policyGradient(
      objective(), rollout: scene.rollout, samples: samples, microBatch: 4
    ) { latents, sigma, promptIndices in
      evaluated += promptIndices.count
      return scene.field(latents, sigma, promptIndices)
    }
    let found = scene.toy.takeGradients()
    #expect(evaluated == samples.count / 2)
    #expect(statistics.skippedSampleCount == samples.count / 2)
    _ = ReferenceLoss(
      objective: objective(), rollout: scene.rollout, samples: samples, fold: .shared
    )
    .backward(field: scene.field)
    #expect(relativeError(found, scene.toy.takeGradients()) < 2e-5)
  }

  @Test func `an update without any advantage leaves no gradient`() throws {
    let scene = try Scene()
    let rows = scene.rollout.rewardRows(
      Dictionary(
        uniqueKeysWithValues: scene.trainingSamples.flatMap { sample in
          (0..<4).map {
            (
              SampleID(
                trunk: sample.trunk, step: scene.rollout.steps[sample.stepIndex], branch: $0),
              [nil] as [Double?]
            )
          }
        }))
    let samples = scene.rollout.trainingSamples(Advantages(rows))
    let statistics = policyGradient(
      objective(), rollout: scene.rollout, samples: samples, microBatch: 4, field: scene.field)
    #expect(statistics.skippedSampleCount == 16 && statistics.policyLoss == 0)
    #expect(scene.toy.parameters.allSatisfy { $0.gradient == nil })
  }
}
