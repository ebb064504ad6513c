internal import CRowThreads

extension Tensor {
  /// Computes a batch in parallel parts and joins them: within `TorchRuntime.withSingleThreadedOps`
  /// one part per thread, elsewhere a single part.
  ///
  /// An operator with intra-op threads waits for the slowest of them; a network of small operators
  /// spends a quarter of its time waiting. Threads that each run some rows through the whole
  /// network wait once. `body` runs once for all rows, with multi-threaded operators, on a GPU,
  /// with one thread, with fewer rows than threads, and where the parts would be very unequal.
  ///
  /// Records no gradients.
  ///
  /// - Parameters:
  ///   - count: rows of the batch.
  ///   - device: the device of the computation.
  ///   - body: computes the rows of one part. It runs on several threads at once, so shared state
  ///     must be read-only.
  /// - Returns: the parts' results, joined along dimension 0.
  package static func threadedBatch(
    _ count: Int, on device: Device, _ body: (Range<Int>) -> Tensor
  ) -> Tensor {
    let threads = Int(row_threads_count())
    guard device == .cpu, threads > 1, count % threads == 0 || count >= 4 * threads else {
      return TorchRuntime.withMultiThreadedOps { withoutGradient { body(0..<count) } }
    }
    return Tensor.cat(
      concurrently(threads, records: false) { body(part($0, of: threads, rows: count)) }, dim: 0)
  }
}

/// The rows of part `index`.
func part(_ index: Int, of parts: Int, rows: Int) -> Range<Int> {
  (rows * index / parts)..<(rows * (index + 1) / parts)
}

/// Runs `body` for 0..<`count`, each on a thread of its own with single-threaded operators.
///
/// - Parameter records: whether gradients are recorded inside.
func concurrently<Value>(
  _ count: Int, records: Bool, _ body: (Int) -> Value
) -> [Value] {
  var results = [Value?](repeating: nil, count: count)
  results.withUnsafeMutableBufferPointer { results in
    withoutActuallyEscaping(body) { body in
      let results = results
      var work = OutOfMemory.inherited { results[$0] = body($0) }
      withUnsafeMutablePointer(to: &work) { work in
        row_threads_run(
          Int32(count), records,
          { context, index in
            context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(index))
          }, work)
      }
    }
  }
  return results.map { $0! }
}

extension TorchRuntime {
  /// Runs this thread's operators single-threaded; only `threadedBatch` uses several threads. For
  /// work that is a chain of calls of `threadedBatch`: intra-op threads spin for some milliseconds
  /// after each operator, on cores that the rows need. Weights must not change inside, because
  /// fused blocks pack them once per scope.
  package static func withSingleThreadedOps<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = row_threads_count()
    row_threads_set_count(outer > 0 ? outer : Int32(threadCount))
    defer { row_threads_set_count(outer) }
    return try withThreads(1, body)
  }

  /// Restores multi-threaded operators inside `withSingleThreadedOps`: for few, large operators.
  package static func withMultiThreadedOps<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let count = Int(row_threads_count())
    return try count > 0 ? withThreads(count, body) : body()
  }

  /// Whether `withSingleThreadedOps` is in effect, on this thread or around the part of a batch
  /// that this thread computes.
  package static var runsSingleThreadedOps: Bool {
    row_threads_count() > 0 && threadCount == 1
  }

  /// Whether this thread computes a part of a `ThreadedBatch` whose gradients are recorded.
  package static var recordsThreadedBatch: Bool { row_threads_record() }

  /// Runs `body` with `count` threads per operator.
  package static func withThreads<Result, Failure: Error>(
    _ count: Int, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let previous = threadCount
    guard count != previous else { return try body() }
    threadCount = count
    defer { threadCount = previous }
    return try body()
  }
}
