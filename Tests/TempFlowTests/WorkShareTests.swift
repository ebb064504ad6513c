import TempFlow
import TestSupport
import Testing

/// Parts of a rollout and of an update on several processes.
@Suite struct WorkShareTests {
  private let trunks = toyTrunks(prompts: 3, seeds: 1)
  private let noise = NoiseSource(run: 5, epoch: 3, shape: [6])
  /// `v = tanh(0.3 x) + trunk`: element by element, so a row does not depend on its batch.
  private let field: VelocityField = { latents, _, trunks in
    (latents * 0.3).tanh()
      + Tensor(trunks.map { Float($0) }, shape: [trunks.count, 1])
  }

  private func plan(
    _ method: RolloutMethod, finishesTrunks: Bool = false, _ steps: BranchSteps = .all
  ) throws -> RolloutPlan {
    var plan = try RolloutPlan(
      schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: method, steps: steps)
    plan.microBatch = 4
    plan.finishesTrunks = finishesTrunks
    return plan
  }

  private func run(
    _ plan: RolloutPlan, _ share: WorkShare
  ) -> (rollout: Rollout, samples: [SampleID: [Float]], calls: Int, rows: Int) {
    var samples: [SampleID: [Float]] = [:]
    var (calls, rows) = (0, 0)
    let rollout = rollOut(plan, trunks: trunks, share: share, noise: noise) {
      calls += 1
      rows += $2.count
      return field($0, $1, $2)
    } finished: { finished in
      for (index, id) in finished.ids.enumerated() {
        samples[id] = finished.latents.selected(dim: 0, index: index).floats()
      }
    }
    return (rollout, samples, calls, rows)
  }

  struct Way: Sendable {
    var method: RolloutMethod
    var finishesTrunks = false
    var steps = BranchSteps.all
  }

  @Test(
    arguments: [
      Way(method: .branching(branches: 4)), Way(method: .branching(branches: 4, tailStride: 2)),
      Way(method: .branching(branches: 4), finishesTrunks: true, steps: .first(2)),
      Way(method: .branching(branches: 1, tailStride: 3), finishesTrunks: true, steps: .list([1])),
      Way(method: .flowGRPO), Way(method: .flowGRPOFast),
    ], [1, 2, 3, 5, 12])
  func `the shares of a rollout are the whole, bit for bit`(way: Way, processes: Int) throws {
    let plan = try plan(way.method, finishesTrunks: way.finishesTrunks, way.steps)
    guard processes <= plan.columns(trunks: trunks.count) else { return }
    let whole = run(plan, .whole)
    var found: [SampleID: [Float]] = [:]
    for rank in 0..<processes {
      let share = WorkShare(rank, of: processes)
      let part = run(plan, share)
      #expect(Set(part.samples.keys).isDisjoint(with: found.keys))
      found.merge(part.samples) { $1 }
      let steps = part.rollout.steps
      #expect(part.calls == plan.calls(by: share, trunks: trunks.count, steps: steps))
      #expect(part.rows == plan.evaluations(by: share, trunks: trunks.count, steps: steps))
      // Its trunks have the states of the whole rollout.
      for id in part.samples.keys {
        for step in steps where id.step == nil || id.step == step {
          #expect(
            part.rollout.branchLatents(trunk: id.trunk, step: step, branch: id.branch).floats()
              == whole.rollout.branchLatents(trunk: id.trunk, step: step, branch: id.branch)
              .floats())
        }
      }
    }
    #expect(found == whole.samples)
  }

  @Test(arguments: [1, 2, 3, 4, 7])
  func `the shares of an update have the statistics of the whole and gradients that add up to it`(
    processes: Int
  ) throws {
    let scene = try Scene()
    let objective = PolicyObjective(clipRange: 0.2)
    func gradients() -> [[Float]] { scene.toy.parameters.map { $0.gradient?.floats() ?? [] } }
    func clear() { for parameter in scene.toy.parameters { parameter.gradient = nil } }
    clear()
    let whole = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 3,
      field: scene.field)
    let expected = gradients()
    // Every process's rows of statistics, then the statistics that each computes from all.
    var rows: [Float] = []
    var sum = expected.map { $0.map { _ in Float(0) } }
    for rank in 0..<processes {
      clear()
      _ = policyGradient(
        objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 3,
        share: WorkShare(rank, of: processes), field: scene.field
      ) { own in
        rows += own
        // Any rows of the right number; the statistics of this call are dropped.
        return Array(
          repeating: 0, count: own.count)
          + Array(
            repeating: 0, count: scene.trainingSamples.count * 10 - own.count)
      }
      for (index, values) in gradients().enumerated() {
        for (place, value) in values.enumerated() { sum[index][place] += value }
      }
    }
    let statistics = policyGradient(
      objective, rollout: scene.rollout, samples: scene.trainingSamples, microBatch: 3,
      share: .whole, field: scene.field
    ) { _ in rows }
    #expect(statistics == whole)
    for (found, expected) in zip(sum, expected) {
      // The order of the sum differs.
      for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-6 * max(1, abs(b))) }
    }
  }

  @Test func `states move to the process that trains them`() throws {
    let scene = try Scene()
    let chosen = [5, 0, 11].map { scene.trainingSamples[$0] }
    let moved = scene.rollout.holding(chosen, scene.rollout.states(of: chosen))
    let objective = PolicyObjective(clipRange: 0.2)
    let here = policyGradient(
      objective, rollout: moved, samples: chosen, microBatch: 2, field: scene.field)
    let there = policyGradient(
      objective, rollout: scene.rollout, samples: chosen, microBatch: 2, field: scene.field)
    #expect(here == there)
  }

  @Test func `parts are consecutive, nearly equal and complete`() {
    for parts in 1...9 {
      for count in 0...40 {
        let ranges = (0..<parts).map { WorkShare($0, of: parts).range(of: count) }
        #expect(ranges.flatMap(Array.init) == Array(0..<count))
        let sizes = ranges.map(\.count)
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
        #expect(ranges.map(\.count).max() == WorkShare(0, of: parts).most(of: count))
      }
    }
  }
}
