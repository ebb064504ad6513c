import FlowMatching
import Testing

/// A schedule's numbers with seven decimals each.
struct GoldenSchedule: CustomTestStringConvertible, Sendable {
  var name: String
  var configuration: SchedulerConfiguration
  var imageTokens: Int?
  var noiseLevel: Double
  var sigmas: [Double]
  var rates: [Double]?
  var scales: [Double]
  var latentFactors: [Double]
  var velocityFactors: [Double]
  /// c over all steps except the last, with four decimals.
  var normalizer: Double

  var testDescription: String { name }
  var schedule: FlowSchedule {
    FlowSchedule(configuration, stepCount: 10, imageTokens: imageTokens)
  }
  var dynamics: Dynamics { .flowSDE(noiseLevel: noiseLevel) }

  static let all = [
    GoldenSchedule(
      name: "SD3.5-M at 512", configuration: staticShift(3), noiseLevel: 0.7,
      sigmas: [
        1, 0.9601293, 0.9133489, 0.8576923, 0.7903683, 0.7072785, 0.6021505, 0.4648760, 0.2780488,
        0.0089286, 0,
      ],
      rates: [
        3.5056711, 3.4350735, 2.2726339, 1.7185003, 1.3592029, 1.0880928, 0.8611746, 0.6524383,
        0.4344148, 0.0664411,
      ],
      scales: [
        0.7, 0.7429641, 0.5361520, 0.4458971, 0.3917943, 0.3527971, 0.3190701, 0.2820068,
        0.2253605, 0.0062781,
      ],
      latentFactors: [
        0.755, 0.7125410, 0.8426346, 0.8840935, 0.9028916, 0.9120108, 0.9154649, 0.9144634,
        0.9086719, 0.9977928,
      ],
      velocityFactors: [
        -0.0398707, -0.0582416, -0.0692925, -0.0838184, -0.1034468, -0.1308843, -0.1709068,
        -0.2325999, -0.3350547, -0.0111161,
      ], normalizer: 2.2522),
    GoldenSchedule(
      name: "FLUX.1-dev at 1024", configuration: dynamicShift(0.5, 1.15, 4096), imageTokens: 4096,
      noiseLevel: 0.9,
      sigmas: [
        1, 0.9660138, 0.9266473, 0.8805131, 0.8257017, 0.7595109, 0.6779867, 0.5751029, 0.4411997,
        0.2597584, 0,
      ],
      scales: [
        0.9, 0.9520208, 0.6870742, 0.5719865, 0.5039716, 0.4566728, 0.4188800, 0.3831501,
        0.3406434, 0.2717224,
      ],
      latentFactors: [
        0.595, 0.5308848, 0.7452801, 0.8142171, 0.8461990, 0.8627077, 0.8706018, 0.8723672,
        0.8684973, 0.8578813,
      ],
      velocityFactors: [
        -0.0339862, -0.0553099, -0.0648186, -0.0770100, -0.0929980, -0.1145415, -0.1445517,
        -0.1881340, -0.2549251, -0.3649606,
      ], normalizer: 1.7260),
    GoldenSchedule(
      name: "Qwen-Image at 512", configuration: dynamicShift(0.5, 0.9, 8192, terminal: 0.02),
      imageTokens: 1024, noiseLevel: 1.2,
      sigmas: [
        1, 0.9289696, 0.8514848, 0.7666238, 0.6732809, 0.5701173, 0.4554973, 0.3274001, 0.1833005,
        0.02, 0,
      ],
      scales: [
        1.2, 1.2080040, 0.8370246, 0.6644847, 0.5532931, 0.4678629, 0.3928201, 0.3178145,
        0.2297343, 0.0242437,
      ],
      latentFactors: [
        0.28, 0.2145741, 0.5885950, 0.7120231, 0.7726556, 0.8080257, 0.8306162, 0.8457453,
        0.8560347, 0.9853061,
      ],
      velocityFactors: [
        -0.0710304, -0.1332739, -0.1459609, -0.1605499, -0.1774413, -0.1971465, -0.2203270,
        -0.2478513, -0.2808769, -0.0344,
      ], normalizer: 1.5329),
  ]

  private static func staticShift(_ shift: Double) -> SchedulerConfiguration {
    var configuration = SchedulerConfiguration()
    configuration.shift = shift
    return configuration
  }

  private static func dynamicShift(
    _ base: Double, _ maximum: Double, _ tokens: Int, terminal: Double? = nil
  ) -> SchedulerConfiguration {
    var configuration = SchedulerConfiguration()
    configuration.usesDynamicShifting = true
    configuration.baseShift = base
    configuration.maxShift = maximum
    configuration.maxImageTokens = tokens
    configuration.terminalSigma = terminal
    return configuration
  }
}

/// The rounding error of seven decimals.
private let printed = 1e-7

private func expectClose(
  _ found: [Double], _ expected: [Double], within tolerance: Double = printed,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.count, sourceLocation: sourceLocation)
  for (index, (left, right)) in zip(found, expected).enumerated() {
    #expect(
      abs(left - right) <= tolerance, "entry \(index): \(left), expected \(right)",
      sourceLocation: sourceLocation)
  }
}

@Suite struct GoldenScheduleTests {
  @Test(arguments: GoldenSchedule.all)
  func `sigmas equal the published schedule`(golden: GoldenSchedule) {
    expectClose(golden.schedule.sigmas, golden.sigmas)
  }

  @Test(arguments: GoldenSchedule.all)
  func `coefficients of every step equal the golden values`(golden: GoldenSchedule) {
    let steps = (0..<10).map { golden.schedule.step($0, golden.dynamics) }
    if let rates = golden.rates { expectClose(steps.map(\.diffusion), rates) }
    expectClose(steps.map(\.stdDev), golden.scales)
    expectClose(steps.map(\.latentFactor), golden.latentFactors)
    expectClose(steps.map(\.velocityFactor), golden.velocityFactors)
  }

  @Test(arguments: GoldenSchedule.all)
  func `the diffusion of the first step is the noise level`(golden: GoldenSchedule) {
    let first = golden.schedule.step(0, golden.dynamics)
    #expect(abs(first.stdDev - golden.noiseLevel) < 1e-14)
  }

  @Test(arguments: GoldenSchedule.all)
  func `the weights of the trained steps average to one`(golden: GoldenSchedule) {
    let trained = Array(0..<9)
    let normalizer = golden.schedule.weightNormalizer(over: trained, golden.dynamics)
    #expect(abs(normalizer - golden.normalizer) < 5e-5)
    let weights = trained.map {
      normalizer * golden.schedule.step($0, golden.dynamics).stdDev
    }
    #expect(abs(weights.reduce(0, +) / 9 - 1) < 1e-12)
  }
}
