internal import DiffusionModels
internal import Foundation
internal import Foundations
internal import Rewards
internal import Torch

/// Digests of the files that a run reads beside its recipe: prompt files and condition images byte
/// for byte, and the model and the networks of rewards by `ComponentDigest`. A run resumed with
/// other files would become another run without an error.
struct RunFingerprint: Codable, Equatable {
  /// By the digested part: `prompts.train`, `text_encoder_2`, or a part of a network, such
  /// as `transformer/transformer_blocks.3` and `vae/decoder`.
  let digests: [String: String]

  /// - Throws: `TrainingError` for a file that cannot be read.
  @MainActor
  init(
    _ recipe: TrainingRecipe, _ prompts: RunPrompts, _ policy: Policy
  ) throws(TrainingError) {
    var digests = policy.textDigests
    digests["prompts.train"] = try Self.digest(of: recipe.prompts.train)
    digests[Self.evaluationPrompts] = try Self.digest(of: recipe.prompts.evaluation)
    for (key, prompts) in [
      (Self.trainingImages, prompts.training), (Self.evaluationImages, prompts.evaluation),
    ] {
      let paths = prompts.flatMap(\.images)
      guard !paths.isEmpty else { continue }
      var lines: [String] = []
      for path in paths { lines.append(try policy.digest(ofImage: path)) }
      digests[key] = SHA256.digest(of: lines.joined(separator: "\n").utf8)
    }
    for component in ["scheduler", "transformer", "vae"] {
      let folder = "\(recipe.model)/\(component)"
      var hash = SHA256()
      try ComponentDigest.add(filesOf: folder, to: &hash)
      digests[component] = hash.digest()
      guard component != "scheduler" else { continue }
      let weights = try ofModel { () throws(PipelineError) in
        try recipe.placement.open(folder: folder, baseName: "diffusion_pytorch_model")
      }
      let parts = Dictionary(grouping: weights.tensors) { "\(component)/\(Self.part(of: $0.key))" }
      for (part, tensors) in parts {
        var hash = SHA256()
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
          ComponentDigest.add(name, tensor, to: &hash)
        }
        digests[part] = hash.digest()
      }
    }
    for (list, entries) in [
      (Self.rewards[0], recipe.rewards.map(\.reward)),
      (Self.rewards[1], recipe.heldOutRewards.map(\.reward)),
    ] {
      for (index, entry) in entries.enumerated() {
        guard let files = entry.networkFiles else { continue }
        digests["\(list).\(index)"] = try ComponentDigest.digest(of: files)
      }
    }
    self.digests = digests
  }

  private static let rewards = ["rewards", "held_out_rewards"]
  /// The key of the file of evaluation prompts.
  static let evaluationPrompts = "prompts.evaluation"
  private static let trainingImages = "prompts.train images"
  private static let evaluationImages = "prompts.evaluation images"

  /// The files and parts that differ from an earlier fingerprint, in words; nil without one.
  ///
  /// - Parameter moved: rewards whose network is at another place, such as `rewards.0`.
  func changes(
    since earlier: RunFingerprint, _ recipe: TrainingRecipe, moved: Set<String>
  ) -> String? {
    let keys = Set(digests.keys).union(earlier.digests.keys).sorted()
    let changed = keys.filter {
      // Checkpoints of earlier versions have no digests of rewards: they count as unchanged where
      // they are in their place.
      digests[$0] != earlier.digests[$0]
        && (!Self.isReward($0) || earlier.digests[$0] != nil || moved.contains($0))
    }
    guard !changed.isEmpty else { return nil }
    let names = changed.prefix(4).map { name(of: $0, recipe) }
    return names.joined(separator: ", ")
      + (changed.count > names.count ? " and \(changed.count - names.count) more parts" : "")
  }

  /// A digested part by its path.
  private func name(of key: String, _ recipe: TrainingRecipe) -> String {
    switch key {
    case "prompts.train": recipe.prompts.train
    case Self.evaluationPrompts: recipe.prompts.evaluation
    case Self.trainingImages: "source images of \(recipe.prompts.train)"
    case Self.evaluationImages: "source images of \(recipe.prompts.evaluation)"
    case _ where Self.isReward(key): "the network of \(key)"
    default: "\(recipe.model)/\(key)"
    }
  }

  /// Whether a key is that of a reward's network.
  static func isReward(_ key: String) -> Bool {
    rewards.contains { key.hasPrefix("\($0).") }
  }

  /// The part of a network that a weight belongs to: the first component of its name, and the
  /// number of the block.
  private static func part(of name: String) -> String {
    let words = name.split(separator: ".").prefix(2)
    return words.count == 2 && Int(words[1]) != nil
      ? words.joined(separator: ".") : String(words.first ?? "")
  }

  private static func digest(of path: String) throws(TrainingError) -> String {
    do throws(FileError) {
      return SHA256.digest(of: try AtomicFile.read(path))
    } catch {
      throw .prompts(error.description)
    }
  }
}
