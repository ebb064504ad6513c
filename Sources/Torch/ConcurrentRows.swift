internal import CTorch

extension Tensor {
  /// Computes a batch in as many parts as the processor has threads, all at once, and joins them.
  ///
  /// Operators that share their work among threads make all of them wait for the slowest, each time;
  /// a network of small operators spends a quarter of its time so. Threads that each take some rows
  /// through the whole network wait once. On a GPU, with one thread, with fewer rows than threads,
  /// or where rows would be shared out very unequally, `body` runs once, for all rows.
  ///
  /// Gradients are not recorded inside.
  ///
  /// - Parameters:
  ///   - count: rows of the batch.
  ///   - device: where `body` computes.
  ///   - body: the rows of one part; called on several threads at once, so it may only read what it
  ///     shares.
  /// - Returns: the parts' results, joined along dimension 0.
  package static func concurrentRows(
    _ count: Int, on device: Device, _ body: (Range<Int>) -> Tensor
  ) -> Tensor {
    let threads = TorchRuntime.threadCount
    guard device == .cpu, threads > 1, count % threads == 0 || count >= 4 * threads else {
      return withoutGradient { body(0..<count) }
    }
    var results = [Tensor?](repeating: nil, count: threads)
    results.withUnsafeMutableBufferPointer { results in
      withoutActuallyEscaping(body) { body in
        var work = ConcurrentWork(results: results.baseAddress!) { index in
          let part = (count * index / threads)..<(count * (index + 1) / threads)
          return withoutGradient { body(part) }
        }
        ctorch_concurrently(
          Int32(threads),
          { context, index in
            let work = context!.assumingMemoryBound(to: ConcurrentWork.self).pointee
            work.results[Int(index)] = work.body(Int(index))
          }, &work)
      }
    }
    return Tensor.cat(results.map { $0! }, dim: 0)
  }
}

private struct ConcurrentWork {
  let results: UnsafeMutablePointer<Tensor?>
  let body: (Int) -> Tensor
}
