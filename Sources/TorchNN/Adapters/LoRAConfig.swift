/// Which linear layers receive a low-rank adapter, and its size (LoRA, arXiv 2106.09685).
public struct LoRAConfig: Equatable, Sendable {
  /// The inner width r of an adapter; at least 1.
  public let rank: Int
  /// The numerator of the scale `alpha / rank`.
  public let alpha: Double
  /// Ends of layer paths, as in PEFT's `target_modules`: `to_q`, `attn.to_out.0`, `ff.net.2`.
  public let targets: [String]
  /// Whether `targets` are whole paths: a layer behind the blocks may have the name of layers
  /// inside them, such as `proj_out`.
  public let areWhole: Bool

  /// A configuration; linear layers whose path ends with one of `targets` get an adapter.
  public init(rank: Int, alpha: Double, targets: [String]) {
    precondition(rank > 0, "an adapter's rank is at least 1, not \(rank)")
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
    areWhole = false
  }

  /// A configuration for the linear layers with these paths.
  public init(rank: Int, alpha: Double, layers: [String]) {
    precondition(rank > 0, "an adapter's rank is at least 1, not \(rank)")
    self.rank = rank
    self.alpha = alpha
    targets = layers
    areWhole = true
  }

  /// The factor on an adapter's output.
  public var scale: Double { alpha / Double(rank) }

  /// Whether the linear layer at `path` is adapted.
  public func adapts(_ path: String) -> Bool {
    areWhole ? targets.contains(path) : targets.contains { Self.matches(path, $0) }
  }

  /// PEFT's rule for a list of targets: the whole path, or its end after a dot.
  static func matches(_ path: String, _ target: String) -> Bool {
    path == target || path.hasSuffix(".\(target)")
  }
}
