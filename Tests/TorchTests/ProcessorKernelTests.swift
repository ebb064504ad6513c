import Foundation
import TestSupport
import Testing
import Torch

private func normal(_ shape: [Int], _ seed: UInt64, _ dtype: DType = .float32) -> Tensor {
  Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype)
}

/// What `body` gives for the inputs, and the gradients of them where `gradient` arrives at it.
private func derived(
  _ inputs: [Tensor], from gradient: Tensor, _ body: ([Tensor]) -> Tensor
) -> [Tensor] {
  let leaves = inputs.map { $0.detached().clone() }
  for leaf in leaves { leaf.requiresGradient = true }
  let output = body(leaves)
  let gradients = Tensor.gradients(
    of: [output], withRespectTo: leaves, outputGradients: [gradient.to(output.dtype)])
  return [output.detached()] + gradients.map { $0! }
}

/// The types in which products have a kernel of this package.
private let productTypes =
  (whyOff("matrix_product") == nil ? [DType.float32] : [])
  + (whyOff("bfloat16_product") == nil ? [.bfloat16] : [])

/// Whether attention in bfloat16 has one that multiplies that type, as the processor then does. A query that
/// is not a number has no result in libtorch's, either.
private let attendsInBFloat16 =
  whyOff("attention") == nil && whyOff("bfloat16_product")?.contains("bfloat16 itself") == true

/// Operators whose kernels this package replaces on the processor, against their definitions in
/// float64: values and gradients.
@Suite(.serialized) struct ProcessorKernelTests {
  /// Samples, heads, queries, keys, width of a head; the keys of more than one block, odd numbers of
  /// everything, and a width that no kernel of ours takes.
  @Test(
    arguments: [
      (2, 3, 61, 61, 64), (1, 2, 7, 5, 32), (1, 2, 50, 1100, 16), (1, 1, 600, 513, 48),
      (1, 2, 9, 33, 128), (1, 1, 4, 6, 20),
    ], [false, true])
  func `attention in bfloat16`(
    size: (samples: Int, heads: Int, queries: Int, keys: Int, width: Int), masked: Bool
  ) {
    func heads(_ rows: Int, _ seed: UInt64) -> Tensor {
      normal([size.samples, rows, size.heads, size.width], seed, .bfloat16).transposed(1, 2)
    }
    // Some keys are hidden, the first of a block among them.
    let bias: [Float] = (0..<size.keys).map { $0 % 3 == 1 ? -.infinity : Float($0 % 5) / 4 }
    let mask = masked ? Tensor(bias, shape: [1, 1, 1, size.keys]).to(.bfloat16) : nil
    let inputs = [heads(size.queries, 1), heads(size.keys, 2), heads(size.keys, 3)]
    let gradient = heads(size.queries, 4)
    let expected = derived(inputs.map { $0.to(.float64) }, from: gradient) { inputs in
      let logits = inputs[0].matmul(inputs[1].transposed(2, 3)) / Double(size.width).squareRoot()
      return (mask.map { logits + $0.to(.float64) } ?? logits).softmax(dim: 3).matmul(inputs[2])
    }
    let found = derived(inputs, from: gradient) {
      Tensor.scaledDotProductAttention($0[0], $0[1], $0[2], mask: mask)
    }
    for (found, expected) in zip(found, expected) {
      #expect(found.dtype == .bfloat16)
      #expect(relativeError(found, expected) < 6e-3)
    }
  }

  /// Rows, depth and columns: odd numbers of rows, depths of several parts, strips of every width, and
  /// sizes that no kernel of ours takes.
  @Test(
    arguments: [
      (1, 96, 96), (7, 96, 16), (16, 16, 32), (31, 32, 64), (61, 400, 96), (200, 96, 384),
      (129, 97, 48), (5, 96, 50), (600, 640, 48), (2000, 96, 96),
    ], [1, 3])
  func `a linear layer and its derivatives in float32`(
    size: (rows: Int, inputs: Int, outputs: Int), threads: Int
  ) {
    let before = TorchRuntime.threadCount
    TorchRuntime.threadCount = threads
    defer { TorchRuntime.threadCount = before }
    let inputs = [
      normal([size.rows, size.inputs], 1), normal([size.outputs, size.inputs], 2),
      normal([size.outputs], 3),
    ]
    let gradient = normal([size.rows, size.outputs], 4)
    let expected = derived(inputs.map { $0.to(.float64) }, from: gradient) {
      $0[0].matmul($0[1].transposed(0, 1)) + $0[2]
    }
    let found = derived(inputs, from: gradient) { $0[0].linear(weight: $0[1], bias: $0[2]) }
    let plain = derived(Array(inputs.prefix(2)), from: gradient) {
      $0[0].linear(weight: $0[1], bias: nil) + inputs[2]
    }
    for (found, expected) in zip(found, expected) { #expect(relativeError(found, expected) < 1e-6) }
    for (found, expected) in zip(plain, expected) { #expect(relativeError(found, expected) < 1e-6) }
  }

  /// Blocks of rows and columns that are whole and that are not, and odd numbers of everything.
  @Test(
    arguments: [
      (1, 96, 96), (7, 33, 5), (31, 200, 65), (400, 97, 300), (770, 16, 48), (3, 5, 600),
    ], [1, 3])
  func `a linear layer, its derivatives and a sum in place in bfloat16`(
    size: (rows: Int, inputs: Int, outputs: Int), threads: Int
  ) {
    let before = TorchRuntime.threadCount
    TorchRuntime.threadCount = threads
    defer { TorchRuntime.threadCount = before }
    let inputs = [
      normal([size.rows, size.inputs], 1, .bfloat16),
      normal([size.outputs, size.inputs], 2, .bfloat16), normal([size.outputs], 3, .bfloat16),
    ]
    let gradient = normal([size.rows, size.outputs], 4, .bfloat16)
    let expected = derived(inputs.map { $0.to(.float64) }, from: gradient) {
      $0[0].matmul($0[1].transposed(0, 1)) + $0[2]
    }
    let found = derived(inputs, from: gradient) { $0[0].linear(weight: $0[1], bias: $0[2]) }
    for (found, expected) in zip(found, expected) {
      #expect(found.dtype == .bfloat16)
      #expect(relativeError(found, expected) < 3e-3)
    }
    let sum = gradient.clone()
    sum.addmm_(inputs[0], inputs[1].transposed(0, 1))
    let expectedSum =
      gradient.to(.float64) + inputs[0].to(.float64).matmul(inputs[1].to(.float64).transposed(0, 1))
    #expect(relativeError(sum, expectedSum) < 3e-3)
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func `a product with views of every layout`(dtype: DType) {
    func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
      Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype)
    }
    let (a, b) = (normal([3, 40, 64], 1), normal([64, 80], 2))
    let views = [
      (a.selected(dim: 0, index: 1), b), (a.selected(dim: 1, index: 7), b),
      (
        a.selected(dim: 0, index: 2).narrowed(dim: 1, start: 16, length: 32),
        b.narrowed(dim: 0, start: 3, length: 32).narrowed(dim: 1, start: 16, length: 48)
      ),
      (b.transposed(0, 1), normal([48, 64], 3).transposed(0, 1)),
      (normal([1, 64], 4).expanded([9, 64]), b), (normal([64, 40], 5).transposed(0, 1), b),
      (normal([0, 64], 6), b),
    ]
    for (a, b) in views {
      let expected = a.to(.float64).matmul(b.to(.float64))
      let found = a.matmul(b)
      #expect(found.shape == expected.shape)
      let bound = dtype == .float32 ? 1e-6 : 3e-3
      if found.count > 0 { #expect(relativeError(found, expected) < bound) }
    }
  }

  @Test(
    .enabled(if: !productTypes.isEmpty, "\(whyOff("matrix_product") ?? "")"),
    arguments: productTypes)
  func `a row has the same bits in any batch and with any threads`(dtype: DType) {
    let before = TorchRuntime.threadCount
    defer { TorchRuntime.threadCount = before }
    let (x, weight, bias) = (
      normal([700, 192], 1, dtype), normal([96, 192], 2, dtype), normal([96], 3, dtype)
    )
    TorchRuntime.threadCount = 1
    let together = x.linear(weight: weight, bias: bias)
    for threads in [1, 2, 5] {
      TorchRuntime.threadCount = threads
      for rows in [0..<1, 3..<5, 100..<700, 0..<700] {
        let part = x.narrowed(dim: 0, rows).linear(weight: weight, bias: bias)
        #expect(part.floats() == together.narrowed(dim: 0, rows).floats())
      }
    }
  }

  @Test func `attention gives a sample the same bits in any batch and with any threads`() {
    let before = TorchRuntime.threadCount
    defer { TorchRuntime.threadCount = before }
    let inputs = (0..<3).map { normal([5, 3, 37, 64], UInt64($0), .bfloat16) }
    func attended(_ inputs: [Tensor]) -> [Float] {
      derived(inputs, from: inputs[0]) {
        Tensor.scaledDotProductAttention($0[0], $0[1], $0[2])
      }.flatMap { $0.narrowed(dim: 0, start: 0, length: 1).floats() }
    }
    TorchRuntime.threadCount = 1
    let alone = attended(inputs.map { $0.narrowed(dim: 0, start: 0, length: 1) })
    for threads in [1, 2, 3] {
      TorchRuntime.threadCount = threads
      #expect(attended(inputs) == alone)
    }
  }

  @Test(.enabled(if: attendsInBFloat16, "attention in bfloat16 is libtorch's on this processor"))
  func `what is not a number spreads as far as attention carries it`() {
    let plain = normal([1, 1, 8, 32], 1, .bfloat16)
    let broken = plain.clone()
    broken.selected(dim: 2, index: 3).fill_(.nan)
    func count(_ query: Tensor, _ key: Tensor) -> Int {
      Tensor.scaledDotProductAttention(query, key, plain).floats().count { $0.isNaN }
    }
    #expect(count(broken, plain) == 32)
    #expect(count(plain, broken) == 8 * 32)
  }

  @Test(arguments: [DType.bfloat16, .float32], [1, 16, 1003])
  func `GELU by its tanh approximation`(dtype: DType, count: Int) {
    let x = (normal([count], 1) * 3.0).to(dtype)
    let gradient = normal([count], 2, dtype)
    let expected = derived([x.to(.float64)], from: gradient) { inputs in
      let x = inputs[0]
      let inner = (x + x * x * x * 0.044715) * (2 / Double.pi).squareRoot()
      return x * 0.5 * (inner.tanh() + 1.0)
    }
    let found = derived([x], from: gradient) { $0[0].gelu(approximate: .tanh) }
    for (found, expected) in zip(found, expected) {
      #expect(found.dtype == dtype)
      #expect(relativeError(found, expected) < (dtype == .float32 ? 1e-6 : 4e-3))
    }
  }

  @Test(
    arguments: [DType.float64, .float32, .bfloat16, .float16],
    [
      (shape: [3, 5, 64], scaled: true), ([7, 20], true), ([2, 11, 3, 96], false), ([1, 16], true),
    ])
  func `the norm by the root mean square`(dtype: DType, size: (shape: [Int], scaled: Bool)) {
    let width = size.shape.last!
    let x = (normal(size.shape, 1) * 2.0).to(dtype)
    let weight = size.scaled ? [normal([width], 2, dtype)] : []
    let gradient = normal(size.shape, 3, dtype)
    let expected = derived(([x] + weight).map { $0.to(.float64) }, from: gradient) { inputs in
      let x = inputs[0]
      let mean = (x * x).mean(dims: [x.rank - 1], keepDim: true)
      let normed = x / (mean + 1e-6).sqrt()
      return inputs.count > 1 ? normed * inputs[1] : normed
    }
    for threads in [1, 2] {
      let before = TorchRuntime.threadCount
      TorchRuntime.threadCount = threads
      defer { TorchRuntime.threadCount = before }
      let found = derived([x] + weight, from: gradient) {
        $0[0].rmsNorm(shape: [width], weight: $0.count > 1 ? $0[1] : nil, eps: 1e-6)
      }
      let bound =
        switch dtype {
        case .float64: 1e-12
        case .float32: 1e-6
        case .float16: 1e-3
        default: 6e-3
        }
      for (found, expected) in zip(found, expected) {
        #expect(found.dtype == dtype)
        #expect(relativeError(found, expected) < bound)
      }
    }
  }
}
