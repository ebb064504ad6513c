/// The branch tree of one rollout of one prompt, recorded for the report.
///
/// Written as `tree/tree.json` in the run directory; an `image` is the path of a PNG file relative
/// to the folder `tree/`. One trunk runs by ODE through all steps. At each branch step its state
/// branches by one SDE step, and each branch is finished by ODE and scored.
package struct BranchTree: Codable, Equatable, Sendable {
  /// The trunk's state at one step, before that step is taken.
  package struct TrunkPoint: Codable, Equatable, Sendable {
    /// Denoising step, 0 is the noisiest.
    package var step: Int
    /// PNG of the predicted original sample, decode(x - sigma v); nil if not recorded.
    package var image: String?

    /// Makes a point.
    package init(step: Int, image: String? = nil) {
      self.step = step
      self.image = image
    }
  }

  /// One SDE step away from the trunk, finished by ODE.
  package struct Branch: Codable, Equatable, Sendable {
    /// The denoising step at which it leaves the trunk.
    package var step: Int
    /// Index among the branches of this step, 0 ..< K.
    package var index: Int
    /// Training reward of the finished image; nil when it has no score.
    package var reward: Double?
    /// The advantage in the loss; nil if not recorded.
    package var advantage: Double?
    /// PNG of the finished image.
    package var image: String

    /// Makes a branch.
    package init(step: Int, index: Int, reward: Double?, advantage: Double?, image: String) {
      self.step = step
      self.index = index
      self.reward = reward
      self.advantage = advantage
      self.image = image
    }
  }

  private enum CodingKeys: String, CodingKey {
    case epoch, prompt, tag, source, sigmas, trunk, branches
    case trunkImage = "trunk_image"
    case trunkReward = "trunk_reward"
  }

  /// Epochs completed when it was rolled out.
  package var epoch: Int
  /// The prompt.
  package var prompt: String
  /// The prompt's tag, such as `counting`; nil when prompts have none.
  package var tag: String?
  /// PNG of the source image that the prompt edits; nil for a prompt without.
  package var source: String?
  /// Sigma before each step and after the last, N + 1 values from 1 (noise) to 0.
  package var sigmas: [Double]
  /// The trunk's states in step order; at least those that branch.
  package var trunk: [TrunkPoint]
  /// PNG of the image at the trunk's end, without an SDE step; nil if not recorded.
  package var trunkImage: String?
  /// Training reward of that image; nil if not recorded.
  package var trunkReward: Double?
  /// All branches, ordered by step, then index.
  package var branches: [Branch]

  /// Makes a tree without the image at the trunk's end, which is set afterwards.
  package init(
    epoch: Int, prompt: String, tag: String?, sigmas: [Double], trunk: [TrunkPoint],
    branches: [Branch]
  ) {
    self.epoch = epoch
    self.prompt = prompt
    self.tag = tag
    self.sigmas = sigmas
    self.trunk = trunk
    self.branches = branches
  }
}
