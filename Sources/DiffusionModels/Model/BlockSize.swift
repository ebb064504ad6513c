public import Torch
import TorchNN

/// The elements of one of a transformer's blocks.
public struct BlockSize: Sendable, Equatable {
  /// Weights of linear layers.
  public let matrices: Int
  /// Rows of those weights.
  public let channels: Int
  /// Biases and the weights of norms.
  public let others: Int

  init(_ parameters: [BlockParameter]) {
    let matrices = parameters.filter(\.isMatrix)
    self.matrices = matrices.reduce(0) { $0 + $1.shape.reduce(1, *) }
    channels = matrices.reduce(0) { $0 + $1.shape[0] }
    others = parameters.reduce(0) { $0 + $1.shape.reduce(1, *) } - self.matrices
  }

  /// Bytes of the block as it is stored.
  func bytes(_ quantization: WeightQuantization, _ dtype: DType) -> Int {
    quantization == .none
      ? (matrices + others) * dtype.byteCount
      : matrices + 4 * channels + others * dtype.byteCount
  }
}

/// Bytes of a transformer whose blocks' weights are quantized, on the host or shared; see
/// `MovingWeights`.
public struct MovedSize: Sendable, Equatable {
  /// Weights that stay on the device, of shared blocks this process's part.
  public let resident: Int
  /// The slots of the device that hold the blocks in turn; of the processor, also the memory in
  /// which Gloo receives a block.
  public let slots: Int
  /// Blocks in the host's memory, of shared ones this process's part.
  public let host: Int
  /// All blocks as they are stored.
  public let blocks: Int

  /// - Parameters:
  ///   - network: the transformer.
  ///   - dtype: the precision of the computation.
  ///   - processes: how many share the blocks.
  public init(
    _ network: NetworkSize, in dtype: DType, _ placement: Placement, processes: Int = 1
  ) {
    let blocks = network.blocks
    let inBlocks = blocks.reduce(0) { $0 + $1.matrices + $1.others }
    let outside = NetworkSize(
      parameters: network.parameters - inBlocks, used: network.used - inBlocks,
      stored: network.stored
    ).bytes(in: dtype, device: placement.device)
    let stored = blocks.map { $0.bytes(placement.quantization, dtype) }
    self.blocks = stored.reduce(0, +)
    let all = stored.reduce(0) { $0 + ($1 + processes - 1) / processes }
    let isOffloaded = placement.offload == .blocks
    resident = outside + (isOffloaded ? 0 : all)
    host = isOffloaded ? all : 0
    let arriving = [0, 1].map { parity in
      stride(from: parity, to: stored.count, by: 2).map { stored[$0] }.max() ?? 0
    }
    let dequantized = (blocks.map(\.matrices).max() ?? 0) * dtype.byteCount
    let received = processes > 1 && placement.device == .cpu ? stored.max() ?? 0 : 0
    slots =
      (isOffloaded || processes > 1 ? arriving.reduce(0, +) : 0) + received
      + (placement.quantization == .none ? 0 : dequantized)
  }
}
