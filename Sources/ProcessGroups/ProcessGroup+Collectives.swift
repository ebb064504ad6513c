internal import CTorch
package import Torch

// N: processes. Collectives block until this process has its result; on a CUDA device the current
// stream waits and the host does not. All throw `ProcessGroupError` when processes are lost.

extension ProcessGroup {
  /// Replaces the elements of a contiguous tensor by their sums over all processes.
  ///
  /// Every process gets the same bits. Half-precision sums would be rounded to half precision after
  /// every addition, so they are refused.
  package func allReduce(_ tensor: Tensor, _ step: String) throws(ProcessGroupError) {
    guard let engine else { return }
    precondition(![.float16, .bfloat16].contains(tensor.dtype), "sums need float32")
    try meet(before: tensor, step)
    try engine.check(ctorch_all_reduce(engine.handle, tensor.handle), step)
  }

  /// Replaces the elements of a contiguous tensor by those of rank `root`.
  package func broadcast(
    _ tensor: Tensor, from root: Int = 0, _ step: String
  ) throws(ProcessGroupError) {
    guard let engine else { return }
    try meet(before: tensor, step)
    try engine.check(ctorch_broadcast(engine.handle, tensor.handle, Int32(root)), step)
  }

  /// The contiguous tensors of all processes, which have one shape: `[...] -> [N, ...]`.
  package func allGather(_ tensor: Tensor, _ step: String) throws(ProcessGroupError) -> Tensor {
    let output = Tensor.empty([size] + tensor.shape, dtype: tensor.dtype, device: tensor.device)
    try beginAllGather(tensor, into: output, step).wait()
    return output
  }

  /// Begins to fill `output` `[N, ...]` with the contiguous tensors of all processes.
  package func beginAllGather(
    _ tensor: Tensor, into output: Tensor, _ step: String
  ) throws(ProcessGroupError) -> PendingGather {
    guard let engine else {
      output.copy_(tensor.unsqueezed(0))
      return PendingGather(work: nil, engine: nil, step: step)
    }
    let work = ctorch_all_gather(engine.handle, output.handle, tensor.handle)
    try engine.check(work != nil, step)
    return PendingGather(work: work, engine: engine, step: step)
  }

  /// Sends rows of a contiguous tensor to the other processes and receives theirs.
  ///
  /// - Parameters:
  ///   - rows: `[sum of sent, ...]`, ordered by the receiving rank.
  ///   - sent: rows for each rank.
  ///   - received: rows from each rank.
  /// - Returns: `[sum of received, ...]`, ordered by the sending rank.
  package func exchange(
    _ rows: Tensor, sent: [Int], received: [Int], _ step: String
  ) throws(ProcessGroupError) -> Tensor {
    guard let engine else { return rows }
    try meet(before: rows, step)
    let output = Tensor.empty(
      [received.reduce(0, +)] + rows.shape.dropFirst(), dtype: rows.dtype, device: rows.device)
    try engine.check(
      ctorch_all_to_all(
        engine.handle, output.handle, rows.handle, received.map(Int64.init), sent.map(Int64.init)),
      step)
    return output
  }

  /// A barrier before a collective of NCCL; see `use`.
  private func meet(before tensor: Tensor, _ step: String) throws(ProcessGroupError) {
    if case .cuda = tensor.device { try barrier(step) }
  }

  /// The bytes of every process, in the order of ranks.
  package func gather(
    _ bytes: [UInt8], _ step: String
  ) throws(ProcessGroupError) -> [[UInt8]] {
    guard size > 1 else { return [bytes] }
    let counts = try allGather(Tensor([bytes.count], shape: [1]), step).ints()
    let longest = counts.max() ?? 0
    guard longest > 0 else { return counts.map { _ in [] } }
    let padded = bytes + [UInt8](repeating: 0, count: longest - bytes.count)
    let all = try allGather(Tensor(padded, shape: [longest]), step).bytes()
    return counts.enumerated().map { rank, count in
      Array(all[(rank * longest)..<(rank * longest + count)])
    }
  }

  /// The numbers of all processes in one list, in the order of ranks, bit for bit.
  package func gather(_ numbers: [Float], _ step: String) throws(ProcessGroupError) -> [Float] {
    let bytes = try gather(numbers.withUnsafeBytes(Array.init), step)
    return bytes.flatMap { bytes in
      bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
  }

  /// Waits until every process has come here.
  package func barrier(_ step: String) throws(ProcessGroupError) {
    try allReduce(Tensor([0], shape: [1]), step)
  }
}

/// An all-gather under way.
package final class PendingGather {
  private let work: OpaquePointer?
  private let engine: ProcessGroup.Engine?
  private let step: String

  init(work: OpaquePointer?, engine: ProcessGroup.Engine?, step: String) {
    self.work = work
    self.engine = engine
    self.step = step
  }

  deinit { if let work { ctorch_work_release(work) } }

  /// Blocks until the output is filled; on a CUDA device the current stream waits.
  package func wait() throws(ProcessGroupError) {
    guard let work, let engine else { return }
    try engine.check(ctorch_work_wait(work), step)
  }
}

extension ProcessGroup.Engine {
  func check(_ succeeded: Bool, _ step: String) throws(ProcessGroupError) {
    if !succeeded { throw failure(of: step) }
  }
}
