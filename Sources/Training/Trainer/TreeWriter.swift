internal import DiffusionModels
internal import FlowMatching
internal import Foundations
internal import ImageFiles
internal import ProcessGroups
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

/// Writes `tree/tree.json` and its pictures: the rollout of one prompt with all its images, from
/// which a report draws how a reward is assigned to one decision.
@MainActor
struct TreeWriter {
  let context: TrainingContext
  let scorer: Scorer

  /// Prompts that are rolled out, of which one is recorded.
  private static let candidateCount = 8

  private typealias Images = [SampleID: Result<PixelBuffer, NonFiniteImage>]

  /// Rolls out a few prompts and writes the one whose branches' rewards differ most. Flow-GRPO has
  /// no tree. Of several processes the first does it; where they share weights, all roll out.
  ///
  /// - Parameters:
  ///   - prompts: candidates are evenly spaced among them.
  ///   - epoch: epochs completed.
  /// - Throws: `RewardError`, `TrainingError`, or a file error.
  func write(_ prompts: [Prompt], epoch: Int) async throws {
    guard case .branching = context.plan.method, context.group.isLeader || context.sharesWeights
    else { return }
    let count = min(Self.candidateCount, prompts.count)
    let candidates = (0..<count).map { prompts[$0 * prompts.count / count] }
    let (rollout, images) = try rollOut(candidates, epoch: epoch)
    guard context.group.isLeader else { return }
    var trees: [ScoredTree] = []
    for (trunk, prompt) in candidates.enumerated() {
      trees.append(try await tree(prompt, trunk: trunk, images))
    }
    guard let chosen = trees.max(by: { $0.spread < $1.spread }) else { return }
    try write(chosen, rollout, images, epoch: epoch)
  }

  /// One trunk per prompt, followed to its own image.
  private func rollOut(_ prompts: [Prompt], epoch: Int) throws -> (Rollout, Images) {
    var plan = context.plan
    plan.finishesTrunks = true
    let trunks = prompts.indices.map { TrunkID(prompt: $0, seed: 0) }
    let steps = context.trainedSteps(epoch: epoch)
    let velocity =
      context.sharesWeights
      ? try context.group.agree("the tree's prompts") {
        try context.policy.velocity(of: prompts, trunks)
      } : try context.policy.velocity(of: prompts, trunks)
    let field = velocity.rollout(
      rowsPerCall: plan.rowsPerCall(trunks: trunks.count, steps: steps))
    var images: Images = [:]
    let noise = context.noise(epoch: epoch)
    let rollout = TempFlow.rollOut(plan, trunks: trunks, noise: noise, field: field) {
      for (id, image) in zip($0.ids, context.policy.decode($0.latents)) { images[id] = image }
    }
    return (rollout, images)
  }

  private func tree(_ prompt: Prompt, trunk: Int, _ images: Images) async throws -> ScoredTree {
    let own = images.filter { $0.key.trunk == trunk }
      .sorted { ($0.key.step ?? -1, $0.key.branch) < ($1.key.step ?? -1, $1.key.branch) }
    let sources = try context.conditionImages.of(prompt)
    let samples = own.map {
      $0.value.map { RewardSample(image: $0, sources: sources, prompt: prompt) }
    }
    let scores = try await scorer.score(samples)
    return ScoredTree(
      prompt: prompt, source: sources.first, trunk: trunk, ids: own.map(\.key),
      scores: scores.weighted)
  }

  private func write(
    _ chosen: ScoredTree, _ rollout: Rollout, _ images: Images, epoch: Int
  ) throws {
    let folder = context.output.directory.tree
    let size = context.policy.imageSize
    func save(_ image: PixelBuffer?, as name: String) throws -> String {
      if let image { try PNG.write(image.tile, to: "\(folder)/\(name)") }
      return name
    }
    var tree = BranchTree(
      epoch: epoch, prompt: chosen.prompt.text, tag: chosen.prompt.tag,
      sigmas: context.plan.schedule.sigmas, trunk: [], branches: [])
    for (step, image) in zip(rollout.steps, predictedOriginal(rollout, trunk: chosen.trunk)) {
      tree.trunk.append(
        .init(step: step, image: try save(image.picture(size), as: "trunk-\(step).png")))
    }
    if let source = chosen.source { tree.source = try save(source, as: "source.png") }
    let advantages = chosen.advantages(context.recipe.advantage.baseline)
    for (id, score) in zip(chosen.ids, chosen.scores) {
      let image = images[id]?.picture(size)
      guard let step = id.step else {
        tree.trunkImage = try save(image, as: "trunk.png")
        tree.trunkReward = score
        continue
      }
      tree.branches.append(
        .init(
          step: step, index: id.branch, reward: score, advantage: advantages[id],
          image: try save(image, as: "branch-\(step)-\(id.branch).png")))
    }
    try AtomicFile.write(json: tree, to: "\(folder)/tree.json")
  }

  /// The predicted original at each trained step of a trunk: decode(x - sigma v).
  private func predictedOriginal(
    _ rollout: Rollout, trunk: Int
  ) -> [Result<PixelBuffer, NonFiniteImage>] {
    withoutGradient {
      context.policy.decode(
        Tensor.stack(
          rollout.steps.indices.map { record in
            let x = rollout.latents.selected(dim: 0, index: record).selected(dim: 0, index: trunk)
            let v = rollout.velocities.selected(dim: 0, index: record)
              .selected(dim: 0, index: trunk)
            return x - v * rollout.plan.schedule.sigmas[rollout.steps[record]]
          }, dim: 0))
    }
  }
}

/// One prompt's branches with their rewards.
private struct ScoredTree {
  let prompt: Prompt
  let source: PixelBuffer?
  let trunk: Int
  let ids: [SampleID]
  let scores: [Double?]

  /// Standard deviation of the rewards.
  var spread: Double { Statistics(scores).deviation ?? -1 }

  /// The advantages of the branches, over the trunk's reward if that is the recipe's baseline, and
  /// otherwise within their step, whatever else the recipe compares: the tree is of one seed.
  func advantages(_ baseline: AdvantageBaseline) -> [SampleID: Double] {
    let branches = zip(ids, scores).filter { $0.0.step != nil }
    let rows = branches.map { id, score in
      RewardRow(prompt: 0, seed: 0, step: id.step ?? 0, rewards: [score])
    }
    let own = zip(ids, scores).first { $0.0.step == nil }?.1
    let advantages = Advantages(
      rows, AdvantageSettings(baseline: baseline == .trunk ? .trunk : .seed),
      trunkRewards: [TrunkID(prompt: 0, seed: 0): [own]])
    return Dictionary(uniqueKeysWithValues: zip(branches.map(\.0), advantages.values))
  }
}
