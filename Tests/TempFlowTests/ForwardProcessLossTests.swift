import Foundation
import TempFlow
import TestSupport
import Testing

/// A case of `Tools/fixtures/forward_process.py`.
private struct LossCase: Decodable {
  var name: String
  var method: String
  var beta, limit, low, high, oldBeta: Double?
  var weight: String?
  var klBeta: Double

  private enum CodingKeys: String, CodingKey {
    case name, method, beta, limit, low, high, weight
    case klBeta = "kl_beta"
    case oldBeta = "old_beta"
  }

  func objective() throws -> ForwardProcessObjective {
    if method == "diffusion_nft" {
      return ForwardProcessObjective(
        .diffusionNFT(beta: try #require(beta), advantageLimit: try #require(limit)),
        klBeta: klBeta)
    }
    let weights: [String: ForwardProcessObjective.TimeWeight] = [
      "uniform": .uniform, "sigma": .sigma, "sigma_squared": .sigmaSquared,
    ]
    return ForwardProcessObjective(
      .advantageWeightedMatching(
        clipRange: ClipRange(low: try #require(low), high: try #require(high)),
        timeWeight: try #require(weights[weight ?? ""])),
      klBeta: klBeta, oldBeta: oldBeta ?? 0)
  }
}

private struct LossTable: Decodable {
  var sigmas, advantages: [Double]
  var cases: [LossCase]
}

/// float32 against float64; the inputs are exact in both.
private let tolerance = 2e-6
/// The derivative of a sample without an advantage is the difference of two terms that are a
/// hundred times as large.
private let gradientTolerance = 2e-5

@Suite struct ForwardProcessLossTests {
  private let table: LossTable
  private let tensors: [String: Tensor]

  init() throws {
    table = try JSONDecoder().decode(
      LossTable.self, from: Data(contentsOf: URL(filePath: fixture("forward-process/cases.json"))))
    tensors = try WeightsFile(path: fixture("forward-process/cases.safetensors")).tensors
  }

  private func tensor(_ example: LossCase, _ name: String) throws -> Tensor {
    try #require(tensors["\(example.name).\(name)"])
  }

  private func batch(_ example: LossCase) throws -> ForwardProcessBatch {
    ForwardProcessBatch(
      target: try tensor(example, "eps") - tensor(example, "x0"),
      velocity: try tensor(example, "velocity"), old: try tensor(example, "old"),
      reference: example.klBeta > 0 ? try tensor(example, "reference") : nil,
      sigmas: table.sigmas, advantages: table.advantages)
  }

  @Test func `losses and their derivatives are those of autograd in float64`() throws {
    #expect(table.cases.count == 8)
    for example in table.cases {
      let (gradient, terms, kl) = try withoutGradient {
        try example.objective().evaluate(batch(example), sampleCount: table.sigmas.count)
      }
      let expected = try tensor(example, "gradient")
      // Each sample alone: at small sigmas a gradient is a hundredth of the largest.
      for (found, wanted) in zip(gradient.unbound(dim: 0), expected.unbound(dim: 0)) {
        #expect(
          largestDifference(found, wanted) <= gradientTolerance * wanted.abs().amax().item(),
          "\(example.name)")
      }
      #expect(
        relativeError(terms.loss.flattened(), try tensor(example, "loss")) < tolerance,
        "\(example.name)")
      if example.klBeta > 0 {
        #expect(
          relativeError(kl.flattened(), try tensor(example, "kl")) < tolerance, "\(example.name)")
      } else {
        #expect(kl.floats().allSatisfy { $0 == 0 })
      }
      #expect((terms.ratio == nil) == (example.method == "diffusion_nft"))
      guard let ratio = terms.ratio else { continue }
      #expect(relativeError(ratio.value.flattened(), try tensor(example, "ratio")) < tolerance)
      #expect(relativeError(ratio.logarithm.exp(), ratio.value) < tolerance)
    }
  }

  @Test func `the fixture's ratios are clipped at both ends`() throws {
    let clipped = try table.cases.filter { $0.method == "awm" }.map { example in
      let ratios = try tensor(example, "ratio").doubles()
      let (low, high) = (1 - (example.low ?? 0), 1 + (example.high ?? 0))
      return (
        above: zip(ratios, table.advantages).contains { $0 > high && $1 > 0 },
        below: zip(ratios, table.advantages).contains { $0 < low && $1 < 0 }
      )
    }
    #expect(clipped.contains { $0.above } && clipped.contains { $0.below })
    #expect(clipped.contains { !$0.above && !$0.below })
  }

  @Test func `DiffusionNFT's policies coincide where the policy is the old one`() throws {
    // v+ = v- = v_old: the loss is that of flow matching for any advantage, and only the difference
    // of the weights has a gradient.
    let old = Tensor.randn([3, 8], generator: Generator(seed: 1))
    let target = Tensor.randn([3, 8], generator: Generator(seed: 2))
    let sigmas = [1, 0.6, 0.2]
    func terms(_ advantages: [Double]) -> (loss: [Double], gradient: [Double]) {
      let (gradient, terms, _) = withoutGradient {
        ForwardProcessObjective(.diffusionNFT(beta: 0.5, advantageLimit: 4)).evaluate(
          ForwardProcessBatch(
            target: target, velocity: old, old: old, reference: nil, sigmas: sigmas,
            advantages: advantages), sampleCount: 3)
      }
      return (terms.loss.doubles(), gradient.doubles())
    }
    let (good, none, bad) = (terms([4, 4, 9]), terms([0, 0, 0]), terms([-4, -4, -9]))
    for (first, second) in zip(good.loss, bad.loss) { #expect(abs(first - second) < 1e-5) }
    #expect(none.gradient.allSatisfy { $0 == 0 })
    #expect(good.gradient.contains { abs($0) > 1e-2 })
    for (first, second) in zip(good.gradient, bad.gradient) { #expect(first == -second) }
    // A good sample's gradient step moves the velocity toward the target.
    let along = withoutGradient {
      (Tensor(good.gradient.map { Float($0) }, shape: [3, 8]) * (target - old)).sum().item()
    }
    #expect(along < 0)
  }
}
