public import Torch

/// Runs the blocks of a transformer in order, for every model alike: with gradient checkpointing
/// where it is on, and with the weights of each block in place before it runs.
public struct BlockLoop {
  private let residency: any WeightResidency

  /// - Parameter residency: brings a block's weights to the device.
  public init(residency: any WeightResidency = ResidentWeights()) { self.residency = residency }

  /// The loop over the blocks that a network has declared with `ParameterScope.block`.
  public init(_ parameters: ParameterScope) {
    self.init(residency: parameters.store.residency ?? ResidentWeights())
  }

  /// The state behind the last block, and `shared` for what follows the blocks: with gradient
  /// checkpointing these tensors begin a record of their own.
  ///
  /// - Parameters:
  ///   - state: what the first block takes; each block returns what the next one takes.
  ///   - shared: what every block takes besides, such as the timestep's embedding; gradients flow
  ///     into it.
  ///   - count: number of blocks.
  ///   - checkpointing: keeps the blocks' inputs alone and runs each block again in the backward
  ///     pass, where gradients are recorded; the caller runs its `backward()` after the output's.
  ///     nil keeps every intermediate value.
  ///   - block: block `index`. `index, state, shared -> state`
  public func callAsFunction(
    _ state: [Tensor], shared: [Tensor], count: Int, checkpointing: GradientCheckpointing?,
    _ block: @escaping (_ index: Int, _ state: [Tensor], _ shared: [Tensor]) -> [Tensor]
  ) -> (state: [Tensor], shared: [Tensor]) {
    let residency = residency
    func run(_ index: Int, _ state: [Tensor], _ shared: [Tensor]) -> [Tensor] {
      residency.enter(index)
      return block(index, state, shared)
    }
    precondition(
      residency.blockCount ?? count == count, "the network has \(count) blocks and declares others")
    guard let checkpointing, isRecordingGradients else {
      precondition(
        residency.blockCount == nil || !isRecordingGradients,
        "weights that move need gradient checkpointing where gradients are recorded")
      return ((0..<count).reduce(state) { run($1, $0, shared) }, shared)
    }
    let leaves = checkpointing.cut(state + shared)
    let shared = Array(leaves[state.count...])
    let last = (0..<count).reduce(Array(leaves[..<state.count])) { state, index in
      let stateCount = state.count
      return checkpointing.run(state + shared) { inputs in
        run(index, Array(inputs[..<stateCount]), Array(inputs[stateCount...]))
      }
    }
    return (last, shared)
  }
}
