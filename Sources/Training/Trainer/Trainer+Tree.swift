internal import DiffusionModels
internal import FlowMatching
internal import Foundation
internal import ImageFiles
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

// The rollout of one prompt with all its images, so that a report can draw how a reward comes to
// belong to one decision.

extension Trainer {
  /// Prompts that are rolled out to choose from.
  private static let candidateCount = 8

  /// Rolls out a few held-out prompts once more and records the one whose branches differ most, as
  /// `tree/tree.json` with its pictures. Flow-GRPO has no tree.
  func recordTree() async throws {
    guard case .branching = plan.method else { return }
    let count = min(Self.candidateCount, evaluationPrompts.count)
    let prompts = (0..<count).map { evaluationPrompts[$0 * evaluationPrompts.count / count] }
    let trunks = prompts.indices.map { TrunkID(prompt: $0, seed: 0) }
    let conditions = try policy.conditions(prompts)
    var finishing = plan
    finishing.finishesTrunks = true
    let field = policy.field(
      conditions, rows: trunks.map(\.prompt), recipe.guidance
    )(finishing.rowsPerCall(trunks: trunks.count, steps: trainedSteps))
    var images: [SampleID: Result<PixelBuffer, NonFiniteImage>] = [:]
    let rollout = TempFlow.rollOut(finishing, trunks: trunks, noise: epochNoise, field: field) {
      for (id, image) in zip($0.ids, policy.decode($0.latents)) { images[id] = image }
    }
    var trees: [RecordedTree] = []
    for (index, prompt) in prompts.enumerated() {
      let own = images.filter { $0.key.trunk == index }
        .sorted { ($0.key.step ?? -1, $0.key.branch) < ($1.key.step ?? -1, $1.key.branch) }
      let samples = own.map { $0.value.map { RewardSample(image: $0, prompt: prompt) } }
      let scores = try await scorer.score(samples)
      trees.append(
        RecordedTree(prompt: prompt, trunk: index, ids: own.map(\.key), scores: scores.weighted))
    }
    guard let chosen = trees.max(by: { $0.spread < $1.spread }) else { return }
    try write(chosen, rollout, images.mapValues { picture(of: $0) })
  }

  private func write(
    _ chosen: RecordedTree, _ rollout: Rollout, _ images: [SampleID: PixelBuffer]
  ) throws {
    let folder = "\(output.directory.path)/tree"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    func save(_ image: PixelBuffer?, as name: String) throws -> String {
      if let image {
        try PNG.write(image.reduced(toFit: Self.pictureSide), to: "\(folder)/\(name)")
      }
      return name
    }
    var tree = BranchTree(
      epoch: state.epoch, prompt: chosen.prompt.text, tag: chosen.prompt.tag,
      sigmas: plan.schedule.sigmas, trunk: [], branches: [])
    for (step, image) in zip(rollout.steps, predictedOriginal(rollout, trunk: chosen.trunk)) {
      tree.trunk.append(.init(step: step, image: try save(image, as: "trunk-\(step).png")))
    }
    let advantages = chosen.advantages
    for (index, id) in chosen.ids.enumerated() {
      guard let step = id.step else {
        tree.trunkImage = try save(images[id], as: "trunk.png")
        tree.trunkReward = chosen.scores[index]
        continue
      }
      tree.branches.append(
        .init(
          step: step, index: id.branch, reward: chosen.scores[index],
          advantage: advantages[id],
          image: try save(images[id], as: "branch-\(step)-\(id.branch).png")))
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(try encoder.encode(tree) + Data("\n".utf8), to: "\(folder)/tree.json")
  }

  /// The clean image that the model foresees at each trained step of a trunk: decode(x - sigma v).
  private func predictedOriginal(_ rollout: Rollout, trunk: Int) -> [PixelBuffer] {
    let images = withoutGradient {
      policy.decode(
        Tensor.stack(
          rollout.steps.indices.map { record in
            let x = rollout.latents.selected(dim: 0, index: record).selected(dim: 0, index: trunk)
            let v = rollout.velocities.selected(dim: 0, index: record)
              .selected(dim: 0, index: trunk)
            return x - v * plan.schedule.sigmas[rollout.steps[record]]
          }, dim: 0))
    }
    return images.map(picture)
  }
}

/// One prompt's branches with their rewards.
private struct RecordedTree {
  let prompt: Prompt
  let trunk: Int
  let ids: [SampleID]
  let scores: [Double?]

  /// How much the rewards of the branches differ.
  var spread: Double { Moments(scores)?.deviation ?? -1 }

  /// The advantages of the branches within their step.
  var advantages: [SampleID: Double] {
    let branches = zip(ids, scores).filter { $0.0.step != nil }
    let rows = branches.map { id, score in
      RewardRow(prompt: 0, seed: 0, step: id.step ?? 0, rewards: [score])
    }
    return Dictionary(uniqueKeysWithValues: zip(branches.map(\.0), Advantages(rows).values))
  }
}
