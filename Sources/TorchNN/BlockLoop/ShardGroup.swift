public import Torch

/// The processes that share the frozen blocks of a network: each keeps its part of every block.
///
/// A call of such a network is a collective. Every process makes the same calls in the same order,
/// with and without gradients, and the backward pass of each; their batches may differ. A process
/// that has nothing to compute calls the network all the same, and drops the result. A process that
/// leaves a call out stops the others until their time-out.
public protocol ShardGroup: AnyObject {
  /// The number of this process, 0..<`size`.
  var rank: Int { get }

  /// The number of processes, N.
  var size: Int { get }

  /// Begins to fill `output` with the shares of all processes, in the order of their ranks.
  ///
  /// On a CUDA device the gather begins behind the work of the current stream. Both tensors keep
  /// their memory, and nothing else uses it, until the gather has been waited for.
  ///
  /// - Parameters:
  ///   - share: contiguous uint8 `[S]`, which may be this process's part of `output`.
  ///   - output: contiguous uint8 `[N S]`
  ///   - block: the number of the block, for messages.
  func beginGather(_ share: Tensor, into output: Tensor, block: Int) -> any PendingShards
}

/// The gather of a block that is under way.
///
/// Its end is also awaited on the current stream of a CUDA device when it is released.
public protocol PendingShards: AnyObject {
  /// Returns when the block is complete; on a CUDA device the current stream waits, and NCCL's
  /// time-out ends the process of a gather that does not end. On the CPU a gather that fails ends
  /// the process, since no call of the network can be completed without its peers.
  func wait()
}
