import TestSupport
import Testing
import Torch

@Suite(.serialized) struct ThreadedBatchTests {
  private let weight = Tensor.randn([6, 4], generator: Generator(seed: 1))
  private let unused = Tensor.zeros([3])
  private let input = Tensor.randn([13, 6], generator: Generator(seed: 2))
  private let gradient = Tensor.randn([13, 4], generator: Generator(seed: 3))

  private func withThreads<Result>(_ count: Int, _ body: () -> Result) -> Result {
    let before = TorchRuntime.threadCount
    TorchRuntime.threadCount = count
    defer { TorchRuntime.threadCount = before }
    return body()
  }

  /// The output and the gradient of two batches, each in parts on `threads` threads.
  private func recorded(threads: Int) -> (output: [Float], gradient: [Float]) {
    weight.requiresGradient = true
    unused.requiresGradient = true
    weight.gradient = nil
    let record = ThreadedBatch(leaves: [weight, unused])
    var output: [Float] = []
    withThreads(threads) {
      for _ in 0..<2 {
        record.within {
          #expect(TorchRuntime.threadCount == 1)
          let result = record.run(13) { rows in
            input.narrowed(dim: 0, rows).matmul(weight).tanh()
          }
          output = result.floats()
          (result * 2.0).backward(gradient: gradient)
          record.backward()
        }
      }
    }
    #expect(!record.isOpen)
    #expect(unused.gradient == nil)
    return (output, weight.gradient!.floats())
  }

  @Test(arguments: [1, 2, 3, 20])
  func `the gradient of rows on separate threads equals the whole batch's`(threads: Int) {
    let (output, found) = recorded(threads: threads)
    weight.gradient = nil
    let expected = input.matmul(weight).tanh()
    #expect(relativeError(Tensor(output, shape: [13, 4]), expected) < 1e-6)
    (expected * 4.0).backward(gradient: gradient)
    #expect(relativeError(Tensor(found, shape: [6, 4]), weight.gradient!) < 1e-6)
  }

  @Test func `equal runs have equal bits`() {
    let first = recorded(threads: 3)
    for _ in 0..<20 {
      let again = recorded(threads: 3)
      #expect(first.output == again.output && first.gradient == again.gradient)
    }
  }

  @Test func `without gradients nothing is recorded, and the bits are the same`() {
    let record = ThreadedBatch(leaves: [weight])
    weight.requiresGradient = true
    func run() -> Tensor {
      record.run(13) { input.narrowed(dim: 0, $0).matmul(weight).tanh() }
    }
    withThreads(2) {
      record.within {
        let plain = withoutGradient(run)
        #expect(!plain.requiresGradient)
        let recorded = run()
        #expect(recorded.requiresGradient)
        #expect(plain.floats() == recorded.floats())
        record.backward()
        #expect(weight.gradient == nil, "there is no gradient")
      }
    }
  }
}
