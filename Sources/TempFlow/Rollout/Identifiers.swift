/// A trunk: one initial noise of one prompt.
///
/// Groups are keyed by these numbers; two prompts may have equal text. The caller chooses the
/// numbering. Equal pairs start from equal noise, so they must not repeat within an epoch.
public struct TrunkID: Hashable, Sendable, Codable {
  /// The prompt's number.
  public var prompt: Int
  /// The seed's number among the prompt's, 0..<S.
  public var seed: Int

  /// The trunk from seed number `seed` of prompt number `prompt`.
  public init(prompt: Int, seed: Int) {
    self.prompt = prompt
    self.seed = seed
  }
}

/// A finished sample of a rollout.
public struct SampleID: Hashable, Sendable, Codable {
  /// The trunk, as an index into the rollout's list of trunks.
  public var trunk: Int
  /// The step at which the sample left its trunk; nil for a sample without branching (of Flow-GRPO,
  /// or a finished trunk).
  public var step: Int?
  /// The branch's number, 0..<K; 0 without branching.
  public var branch: Int

  /// The branch that left `trunk` at `step`; without a step, the trunk's own sample.
  public init(trunk: Int, step: Int?, branch: Int = 0) {
    self.trunk = trunk
    self.step = step
    self.branch = branch
  }
}
