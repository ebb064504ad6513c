/// A batch that goes through a network in parts, each recorded by a thread of its own, and back.
///
/// Operators that share their work among threads make all of them wait for the slowest, and a
/// backward pass has many small ones. Here a thread takes some rows through the whole network and
/// their gradients back, with operators of its own:
///
///     let record = ThreadedBatch(leaves: parameters)
///     record.within {
///       let velocity = record.run(rows) { network(input.narrowed(dim: 0, $0)) }
///       loss(velocity).backward()
///       record.backward()
///     }
///
/// Each part has gradients of its own, which are added up in the order of the parts: the same bits
/// each time with the same number of threads, at a copy of what learns per thread.
package final class ThreadedBatch {
  private let leaves: [Tensor]
  /// The parts, and the batch that they were joined to.
  private var runs: [(parts: [(rows: Range<Int>, output: Tensor)], joined: Tensor)] = []
  /// How many threads a batch is spread over; 0 outside `within`.
  private var threads = 0

  /// - Parameter leaves: what receives gradients.
  package init(leaves: [Tensor]) { self.leaves = leaves }

  /// Whether `run` may be called.
  package var isOpen: Bool { threads > 0 }

  /// Runs operators of this thread on this thread alone, and only `run` on several.
  package func within<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    threads = TorchRuntime.threadCount
    defer { threads = 0 }
    return try TorchRuntime.withThreads(1, body)
  }

  /// Computes a batch of `count` rows in parts, as `Tensor.threadedBatch`, also where gradients are
  /// recorded: the result is then a leaf, whose gradient `backward` takes on.
  ///
  /// - Parameter body: the rows of one part; called on several threads at once, so it may only read
  ///   what it shares.
  package func run(_ count: Int, _ body: (Range<Int>) -> Tensor) -> Tensor {
    precondition(isOpen, "rows are recorded within a scope")
    precondition(count > 0, "a batch has at least one row")
    let parts = min(threads, count)
    let records = isRecordingGradients
    let outputs = concurrently(parts, records: records) { index in
      let rows = part(index, of: parts, rows: count)
      return (rows: rows, output: body(rows))
    }
    let joined = withoutGradient { Tensor.cat(outputs.map(\.output), dim: 0) }
    if records {
      joined.requiresGradient = true
      runs.append((outputs, joined))
    }
    return joined
  }

  /// Takes the gradients that have arrived at results of `run` on to the leaves.
  package func backward() {
    for (parts, joined) in runs {
      guard let gradient = joined.gradient else { continue }
      let found = concurrently(parts.count, records: false) { index in
        Tensor.gradients(
          of: [parts[index].output], withRespectTo: leaves,
          outputGradients: [gradient.narrowed(dim: 0, parts[index].rows)])
      }
      withoutGradient { for gradients in found { add(gradients) } }
    }
    runs = []
  }

  private func add(_ gradients: [Tensor?]) {
    var sums: [Tensor] = []
    var added: [Tensor] = []
    for (leaf, gradient) in zip(leaves, gradients) {
      guard let gradient else { continue }
      if let sum = leaf.gradient {
        sums.append(sum)
        added.append(gradient)
      } else {
        leaf.gradient = gradient
      }
    }
    if !sums.isEmpty { TensorList.add_(sums, added) }
  }
}
