/// Where the weights of a transformer's blocks are.
///
/// The block loop enters every block before it runs, in the forward pass and again where gradient
/// checkpointing recomputes it in the backward pass. A residency that moves weights fills the
/// block's tensors there. A saved autograd record must not outlive them, so it requires
/// checkpointing, and all rows of a batch go through the blocks together.
public protocol WeightResidency {
  /// Makes sure that the weights of block `index` are on the device.
  func enter(_ index: Int)

  /// The number of blocks whose weights move; nil if all weights stay where they are.
  var blockCount: Int? { get }
}

/// All weights stay on the device.
public struct ResidentWeights: WeightResidency {
  public init() {}
  public func enter(_ index: Int) {}
  public var blockCount: Int? { nil }
}
