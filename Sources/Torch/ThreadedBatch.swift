/// Runs a batch through a network in parts, one thread each, forward and backward.
///
/// An operator with intra-op threads waits for the slowest of them, and a backward pass has many
/// small operators. Here each thread runs some rows through the whole network and their gradients
/// back, with single-threaded operators:
///
///     let record = ThreadedBatch(leaves: parameters)
///     record.within {
///       let velocity = record.run(rows) { network(input.narrowed(dim: 0, $0)) }
///       loss(velocity).backward()
///       record.backward()
///     }
///
/// Each part has gradients of its own, which are summed in the order of the parts: with the same
/// number of threads the result has the same bits. The price is a copy of the gradients per thread.
package final class ThreadedBatch {
  private let leaves: [Tensor]
  /// The parts of each batch, and the joined batch.
  private var runs: [(parts: [(rows: Range<Int>, output: Tensor)], joined: Tensor)] = []
  /// How many threads share a batch; 0 outside `within`.
  private var threads = 0

  /// - Parameter leaves: the tensors that receive gradients.
  package init(leaves: [Tensor]) { self.leaves = leaves }

  /// Whether `run` may be called.
  package var isOpen: Bool { threads > 0 }

  /// Runs this thread's operators single-threaded; only `run` uses several threads.
  package func within<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    threads = TorchRuntime.threadCount
    defer { threads = 0 }
    return try TorchRuntime.withThreads(1, body)
  }

  /// Computes a batch of `count` rows in parts, as `Tensor.threadedBatch` does. Where gradients are
  /// recorded, the result is a leaf, and `backward` continues from its gradient.
  ///
  /// - Parameter body: computes the rows of one part. It runs on several threads at once, so shared
  ///   state must be read-only.
  package func run(_ count: Int, _ body: (Range<Int>) -> Tensor) -> Tensor {
    precondition(isOpen, "rows are recorded within a scope")
    precondition(count > 0, "a batch has at least one row")
    guard isRecordingGradients else {
      // A scope of its own, because the weights may be others than those of the last call.
      return TorchRuntime.withThreads(threads) {
        TorchRuntime.withSingleThreadedOps {
          Tensor.threadedBatch(count, on: .cpu, body)
        }
      }
    }
    let parts = min(threads, count)
    let outputs = concurrently(parts, records: true) { index in
      let rows = part(index, of: parts, rows: count)
      return (rows: rows, output: body(rows))
    }
    let joined = withoutGradient { Tensor.cat(outputs.map(\.output), dim: 0) }
    joined.requiresGradient = true
    runs.append((outputs, joined))
    return joined
  }

  /// Propagates the gradients of the results of `run` to the leaves.
  package func backward() {
    for (parts, joined) in runs {
      guard let gradient = joined.gradient else { continue }
      let found = concurrently(parts.count, records: false) { index in
        Tensor.gradients(
          of: [parts[index].output], withRespectTo: leaves,
          outputGradients: [gradient.narrowed(dim: 0, parts[index].rows)])
      }
      for gradients in found { TensorList.addGradients(gradients, to: leaves) }
    }
    runs = []
  }
}
