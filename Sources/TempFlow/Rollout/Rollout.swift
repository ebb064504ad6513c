public import FlowMatching
public import Torch

// T: trunks, H: trunks held here, R: trained steps of this epoch, K: branches, D: elements of a
// sample.

/// The data of one epoch's rollout for training.
///
/// A (trunk, step) is stored once for all its branches: the latents and the velocity. With the
/// noise from the branches' seeds they determine the next latents of every branch. Where several
/// processes share a rollout, each holds the trunks that it rolled out, and after an exchange the
/// samples that it trains.
public struct Rollout {
  /// The plan of the rollout.
  public let plan: RolloutPlan
  /// All trunks of the epoch; trunk indices are indices into this list.
  public let trunks: [TrunkID]
  /// The source of the noise.
  public let noise: NoiseSource
  /// The trained steps of this epoch, ascending.
  public let steps: [Int]
  /// x_i of every (step, trunk): `[R, H, …]` float32; `[rows, …]` after an exchange. With
  /// `RolloutMethod.ode`, x_0 of every trunk: `[1, H, …]`, `[trunks, …]` after an exchange.
  public let latents: Tensor
  /// v_i of every (step, trunk) at rollout time, shaped as ``latents``; empty with
  /// `RolloutMethod.ode`.
  public let velocities: Tensor
  /// What ``latents`` and ``velocities`` hold.
  let contents: Contents
  /// The velocities of the old policy in the ratio; nil if they are ``velocities``.
  var oldPolicy: OldPolicy?

  /// Coefficients of the trained steps, in the order of ``steps``.
  public var coefficients: [StepCoefficients] {
    steps.map { plan.schedule.step($0, plan.dynamics) }
  }

  /// Makes the forward passes of training define the old policy, instead of the rollout's.
  ///
  /// Use it when rollout and training compute different log-probabilities (precision, kernels that
  /// depend on the batch, dropout). The first update uses its own forward pass, so its ratios are 1
  /// by construction and need no extra evaluation. The samples of later updates are evaluated here,
  /// in the same batches as in training.
  ///
  /// - Parameters:
  ///   - updates: the samples of the epoch's updates, before the first of them.
  ///   - share: the part of each update that is evaluated here.
  ///   - objective: the loss, which decides which samples are evaluated.
  ///   - microBatch: the most samples that training evaluates at once.
  ///   - field: the policy, evaluated without gradients.
  public mutating func recomputeOldVelocities(
    of updates: [[TrainingSample]], _ objective: PolicyObjective, microBatch: Int,
    share: WorkShare = .whole, field: VelocityField
  ) {
    let batches = updates.dropFirst().flatMap { update -> [[Int]] in
      let active = update.filter { !$0.isSkippable(objective) }
      return share.microBatches(of: active.count, limit: microBatch).map { active[$0].map(row) }
    }
    let known = batches.flatMap(\.self)
    // Made at once: parts that are joined at the end would be there twice.
    let velocities = Tensor.zeros([known.count] + noise.shape, device: noise.device)
    withoutGradient {
      var start = 0
      for rows in batches {
        let (latents, sigma, trunkIndices) = inputs(of: rows)
        velocities.narrowed(dim: 0, start: start, length: rows.count)
          .copy_(field(latents, sigma, trunkIndices))
        start += rows.count
      }
    }
    oldPolicy = OldPolicy(
      velocities: known.isEmpty ? nil : velocities,
      places: Dictionary(uniqueKeysWithValues: zip(known, 0...)))
  }

  /// A sample's number among the (step, trunk) pairs of the epoch, `stepIndex * T + trunk`.
  func row(_ sample: TrainingSample) -> Int { sample.stepIndex * trunks.count + sample.trunk }

  /// x_{i+1} of one branch, from the stored state and the branch's seed: `[1, …]` float32.
  public func branchLatents(trunk: Int, step: Int, branch: Int) -> Tensor {
    guard let stepIndex = steps.firstIndex(of: step) else {
      preconditionFailure("step \(step) was not trained in this epoch")
    }
    let eps = noise.branches([(trunks[trunk], step, branch)])
    let row = stepIndex * trunks.count + trunk
    return coefficients[stepIndex].stochastic(
      gather(latents, [row]), velocity: gather(velocities, [row]), noise: eps)
  }

  /// The rows (numbers `stepIndex * T + trunk`) as arguments of a velocity field:
  /// latents `[B, …]`, sigma `[B]`, B trunk indices.
  func inputs(of rows: [Int]) -> (latents: Tensor, sigma: Tensor, trunkIndices: [Int]) {
    let coefficients = coefficients
    let sigmas = rows.map { Float(coefficients[$0 / trunks.count].sigma) }
    return (
      gather(latents, rows), Tensor(sigmas, shape: [rows.count]).to(noise.device),
      rows.map { $0 % trunks.count }
    )
  }

  /// Rows of ``latents`` or ``velocities`` by their numbers: `[B, …]`.
  func gather(_ stored: Tensor, _ rows: [Int]) -> Tensor {
    let rows = rows.map(storedRow)
    let (flat, places) =
      switch contents {
      case .trunks(let held):
        (
          stored.flattened(from: 0, to: 1),
          rows.map {
            $0 / trunks.count * held.count + $0 % trunks.count - held.lowerBound
          }
        )
      case .rows(let places):
        (
          stored,
          rows.map { row in
            guard let place = places[row] else { preconditionFailure("row \(row) is elsewhere") }
            return place
          }
        )
      }
    return flat.indexSelect(dim: 0, Tensor(places, shape: [rows.count]).to(noise.device))
  }
}

// MARK: - Several processes

extension Rollout {
  /// Which (step, trunk) pairs a rollout holds.
  enum Contents: Hashable, Sendable {
    /// Every trained step of these trunks.
    case trunks(Range<Int>)
    /// The place of each row, by its number.
    case rows([Int: Int])
  }

  /// The number under which a row is stored: that of its trunk at the first step where a trunk is
  /// stored once for all steps.
  private func storedRow(_ row: Int) -> Int { plan.method == .ode ? row % trunks.count : row }

  /// Samples without those whose states another of them has.
  package func distinct(_ samples: [TrainingSample]) -> [TrainingSample] {
    var found = Set<Int>()
    return samples.filter { found.insert(storedRow(row($0))).inserted }
  }

  /// x_i and v_i of held samples, to send to the processes that train them: `[samples, 2, …]`. With
  /// `RolloutMethod.ode`, x_0: `[samples, 1, …]`.
  package func states(of samples: [TrainingSample]) -> Tensor {
    let rows = samples.map(row)
    guard plan.method != .ode else { return gather(latents, rows).unsqueezed(1) }
    return Tensor.stack([gather(latents, rows), gather(velocities, rows)], dim: 1)
  }

  /// The rollout with other samples in place of its trunks.
  ///
  /// - Parameter states: those of `samples`, as ``states(of:)`` returns them.
  package func holding(_ samples: [TrainingSample], _ states: Tensor) -> Rollout {
    let latents = states.selected(dim: 1, index: 0)
    return Rollout(
      plan: plan, trunks: trunks, noise: noise, steps: steps, latents: latents,
      velocities: plan.method == .ode
        ? latents.narrowed(dim: 0, start: 0, length: 0) : states.selected(dim: 1, index: 1),
      contents: .rows(
        Dictionary(uniqueKeysWithValues: zip(samples.map { storedRow(row($0)) }, 0...))))
  }
}

/// The old policy, defined by forward passes of training.
struct OldPolicy {
  /// Velocities of samples evaluated beforehand: `[samples, …]` float32; nil without such samples.
  let velocities: Tensor?
  /// The index of a stored row in `velocities`. The old velocity of any other row is that of its
  /// update's forward pass.
  let places: [Int: Int]

  /// The old velocities of `rows`, whose current velocities are `new`: `[B, …] -> [B, …]`.
  ///
  /// All rows of a call belong to one update.
  func velocities(of rows: [Int], new: Tensor) -> Tensor {
    let found = rows.compactMap { places[$0] }
    guard let velocities, !found.isEmpty else { return new }
    precondition(found.count == rows.count, "samples of the first update among those of later ones")
    return velocities.indexSelect(
      dim: 0, Tensor(found, shape: [found.count]).to(velocities.device))
  }
}
