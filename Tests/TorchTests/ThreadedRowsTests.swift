import TestSupport
import Testing
import Torch

@Suite(.serialized) struct ThreadedRowsTests {
  private func withThreads(_ count: Int, _ body: () -> Void) {
    let before = TorchRuntime.threadCount
    TorchRuntime.threadCount = count
    defer { TorchRuntime.threadCount = before }
    body()
  }

  /// Runs `body` where rows are divided among `count` threads.
  private func withRowThreads(_ count: Int, _ body: () -> Void) {
    withThreads(count) { TorchRuntime.withSingleThreadedOps(body) }
  }

  @Test(arguments: [1, 2, 3], [1, 2, 6, 13])
  func `parts are joined in order for any number of threads`(threads: Int, rows: Int) {
    withRowThreads(threads) {
      let x = Tensor.randn([rows, 5], generator: Generator(seed: 1))
      let found = Tensor.threadedBatch(rows, on: .cpu) { x.narrowed(dim: 0, $0) * 2 }
      #expect(found.floats() == (x * 2).floats())
      #expect(TorchRuntime.threadCount == 1)
    }
  }

  @Test func `inside, operators use one thread and record no gradients`() {
    withRowThreads(2) {
      var threads = 0
      let x = Tensor.ones([4, 1])
      x.requiresGradient = true
      let found = Tensor.threadedBatch(4, on: .cpu) { rows in
        if rows.lowerBound == 0 { threads = TorchRuntime.threadCount }
        return x.narrowed(dim: 0, rows) + 1
      }
      #expect(threads == 1)
      #expect(!found.requiresGradient)
    }
  }

  @Test func `elsewhere one part has all rows, with multi-threaded operators`() {
    withThreads(2) {
      var parts: [Range<Int>] = []
      var threads = 0
      _ = Tensor.threadedBatch(4, on: .cpu) { rows in
        parts.append(rows)
        threads = TorchRuntime.threadCount
        return Tensor.zeros([rows.count])
      }
      #expect(parts == [0..<4])
      #expect(threads == 2)
    }
  }

  @Test func `single-threaded operators keep the threads of the rows, also when nested`() {
    withThreads(3) {
      TorchRuntime.withSingleThreadedOps {
        TorchRuntime.withSingleThreadedOps {
          #expect(TorchRuntime.threadCount == 1)
          var parts = 0
          _ = Tensor.threadedBatch(1, on: .cpu) { rows in
            parts = TorchRuntime.threadCount
            return Tensor.zeros([rows.count])
          }
          #expect(parts == 3, "rows that cannot be divided run with multi-threaded operators")
        }
        #expect(TorchRuntime.threadCount == 1)
      }
      #expect(TorchRuntime.threadCount == 3)
    }
  }

  @Test func `parts can be nested`() {
    withRowThreads(2) {
      let found = Tensor.threadedBatch(2, on: .cpu) { rows in
        Tensor.threadedBatch(rows.count, on: .cpu) { Tensor.ones([$0.count]) }
      }
      #expect(found.floats() == [1, 1])
    }
  }
}
