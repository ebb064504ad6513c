import Foundation
import TestSupport
import Testing
import Torch

private typealias Layer = JointBlockKernel.Layer
private typealias Stream = JointBlockKernel.Stream

/// The weights of one stream, for the kernel and for operators.
private struct Weights {
  /// By name: `[out, in]` and `[out]`.
  let layers: [String: (weight: Tensor, bias: Tensor)]
  let queryNorm, keyNorm: Tensor?

  init(width: Int, heads: Int, isLast: Bool, norms: Bool, seed: UInt64) {
    let generator = Generator(seed: seed)
    func layer(_ inputs: Int, _ outputs: Int) -> (weight: Tensor, bias: Tensor) {
      let scale = 1 / Double(inputs).squareRoot()
      return (
        Tensor.randn([outputs, inputs], generator: generator) * scale,
        Tensor.randn([outputs], generator: generator) * 0.1
      )
    }
    var layers = [
      "modulation": layer(width, (isLast ? 2 : 6) * width), "key": layer(width, width),
      "value": layer(width, width),
    ]
    if !isLast {
      layers["query"] = layer(width, width)
      layers["output"] = layer(width, width)
      layers["up"] = layer(width, 4 * width)
      layers["down"] = layer(4 * width, width)
    }
    self.layers = layers
    func norm() -> Tensor? {
      norms ? Tensor.randn([width / heads], generator: generator) + 1 : nil
    }
    (queryNorm, keyNorm) = (norm(), norm())
  }

  var stream: Stream {
    func layer(_ name: String) -> Layer? {
      layers[name].map { Layer(weight: $0.weight, bias: $0.bias) }
    }
    return Stream(
      modulation: layer("modulation")!, query: layer("query"), key: layer("key")!,
      value: layer("value")!, output: layer("output"),
      feedForward: layer("up").map { ($0, layer("down")!) },
      norms: queryNorm.map { ($0, keyNorm!) })
  }

  var leaves: [Tensor] {
    let ordered = layers.sorted { $0.key < $1.key }.flatMap { [$0.value.weight, $0.value.bias] }
    return ordered + [queryNorm, keyNorm].compactMap { $0 }
  }

  func callAsFunction(_ name: String, _ x: Tensor) -> Tensor {
    let (weight, bias) = layers[name]!
    return x.matmul(weight.to(.float64).transposed(0, 1)) + bias.to(.float64)
  }
}

/// The block by operators in float64.
private func composed(
  _ streams: [Weights], _ inputs: [Tensor], conditioning: Tensor, keyBias: Tensor?, heads: Int
) -> [Tensor?] {
  let conditioning = conditioning.to(.float64)
  func normed(_ x: Tensor, _ shift: Tensor, _ scale: Tensor) -> Tensor {
    shift
      + x.layerNorm(shape: [x.shape[2]], weight: nil, bias: nil, eps: 1e-6) * (scale + 1.0)
  }
  func inHeads(_ x: Tensor, _ norm: Tensor?) -> Tensor {
    let split = x.reshaped([x.shape[0], x.shape[1], heads, x.shape[2] / heads])
    return
      (norm.map {
        split.rmsNorm(shape: [$0.count], weight: $0.to(.float64), eps: 1e-6)
      } ?? split).transposed(1, 2)
  }
  var (queries, keys, values): ([Tensor], [Tensor], [Tensor]) = ([], [], [])
  var modulations: [[Tensor]] = []
  for (weights, input) in zip(streams, inputs) {
    let x = input.to(.float64)
    let isLast = weights.layers["output"] == nil
    let parts = weights("modulation", conditioning).unsqueezed(1).chunked(isLast ? 2 : 6, dim: 2)
    modulations.append(parts)
    let y = isLast ? normed(x, parts[1], parts[0]) : normed(x, parts[0], parts[1])
    if !isLast { queries.append(inHeads(weights("query", y), weights.queryNorm)) }
    keys.append(inHeads(weights("key", y), weights.keyNorm))
    values.append(inHeads(weights("value", y), nil))
  }
  let attended = Tensor.scaledDotProductAttention(
    Tensor.cat(queries, dim: 2), Tensor.cat(keys, dim: 2), Tensor.cat(values, dim: 2),
    mask: keyBias?.to(.float64)
  ).transposed(1, 2).flattened(from: 2, to: 3)
  var first = 0
  return zip(streams.indices, streams).map { index, weights in
    guard weights.layers["output"] != nil else { return nil }
    let parts = modulations[index]
    let count = inputs[index].shape[1]
    let part = attended.narrowed(dim: 1, start: first, length: count)
    first += count
    let x = inputs[index].to(.float64) + parts[2] * weights("output", part)
    let hidden = weights("up", normed(x, parts[3], parts[4])).gelu(approximate: .tanh)
    return x + parts[5] * weights("down", hidden)
  }
}

@Suite(.enabled(if: whyOff("joint_block") == nil, "\(whyOff("joint_block") ?? "")"))
struct JointBlockKernelTests {
  /// Samples, tokens of both streams, heads, width of a head: odd numbers of everything, more samples
  /// than go through at once, more tokens than one group of queries.
  @Test(
    arguments: [
      (1, 1, 1, 1, 16), (3, 16, 15, 3, 32), (40, 16, 15, 3, 32), (2, 170, 77, 2, 48),
      (7, 33, 5, 1, 64),
    ], [false, true])
  func `a block is its operators'`(
    size: (samples: Int, first: Int, second: Int, heads: Int, width: Int), isLast: Bool
  ) throws {
    let width = size.heads * size.width
    let generator = Generator(seed: 1)
    let inputs = [size.first, size.second].map {
      Tensor.randn([size.samples, $0, width], generator: generator)
    }
    let conditioning = Tensor.randn([size.samples, width], generator: generator)
    let bias = Tensor.randn([1, 1, 1, size.first + size.second], generator: generator)
    for (norms, bias) in [(true, bias), (false, nil)] {
      let weights = [
        Weights(width: width, heads: size.heads, isLast: false, norms: norms, seed: 2),
        Weights(width: width, heads: size.heads, isLast: isLast, norms: norms, seed: 3),
      ]
      let kernel = try #require(
        JointBlockKernel(weights[0].stream, weights[1].stream, heads: size.heads))
      let kept = inputs.map { $0.floats() }
      let found = TorchRuntime.withSingleThreadedOps {
        kernel(inputs[0], inputs[1], conditioning: conditioning, keyBias: bias, epsilon: 1e-6)
      }
      let expected = composed(
        weights, inputs, conditioning: conditioning, keyBias: bias, heads: size.heads)
      #expect(relativeError(found.first, try #require(expected[0])) < 1e-5)
      #expect((found.second == nil) == isLast)
      if let second = found.second {
        #expect(relativeError(second, try #require(expected[1])) < 1e-5)
      }
      #expect(inputs.map { $0.floats() } == kept, "inputs stay as they are")
    }
  }

  @Test(
    arguments: [
      (1, 1, 1, 1, 16), (3, 16, 15, 3, 32), (20, 16, 15, 3, 32), (2, 170, 77, 2, 48),
      (7, 33, 5, 1, 64),
    ], [false, true])
  func `its gradients are its operators'`(
    size: (samples: Int, first: Int, second: Int, heads: Int, width: Int), isLast: Bool
  ) throws {
    let width = size.heads * size.width
    let generator = Generator(seed: 1)
    func normal(_ shape: [Int]) -> Tensor { Tensor.randn(shape, generator: generator) }
    let shapes = [size.first, size.second].map { [size.samples, $0, width] }
    let inputs = shapes.map(normal) + [normal([size.samples, width])]
    let arriving = shapes.map(normal)
    let bias = normal([1, 1, 1, size.first + size.second])
    for (norms, bias) in [(true, bias), (false, nil)] {
      let weights = [
        Weights(width: width, heads: size.heads, isLast: false, norms: norms, seed: 2),
        Weights(width: width, heads: size.heads, isLast: isLast, norms: norms, seed: 3),
      ]
      let leaves = inputs + weights.flatMap(\.leaves)
      for leaf in leaves {
        leaf.gradient = nil
        leaf.requiresGradient = true
      }
      /// Every sample's share of a number whose gradient at the outputs is `arriving`.
      func weighted(_ outputs: [Tensor?], _ arriving: [Tensor]) -> Tensor {
        zip(outputs, arriving).compactMap { output, arriving in
          output.map { ($0 * arriving.to($0.dtype)).sum(dims: [1, 2]) }
        }.reduce(Tensor.zeros([arriving[0].shape[0]], dtype: .float64)) { $0 + $1.to(.float64) }
      }
      let expected = Tensor.gradients(
        of: [
          weighted(
            composed(
              weights, Array(inputs.prefix(2)), conditioning: inputs[2], keyBias: bias,
              heads: size.heads), arriving
          ).sum()
        ], withRespectTo: leaves)
      let kernel = try #require(
        JointBlockKernel(weights[0].stream, weights[1].stream, heads: size.heads))
      let record = ThreadedBatch(leaves: leaves)
      record.within {
        let shares = record.run(size.samples) { rows in
          #expect(JointBlockKernel.applies(to: inputs[0]))
          let part = inputs.map { $0.narrowed(dim: 0, rows) }
          let found = kernel(
            part[0], part[1], conditioning: part[2], keyBias: bias, epsilon: 1e-6)
          #expect((found.second == nil) == isLast)
          return weighted(
            [found.first, found.second], arriving.map { $0.narrowed(dim: 0, rows) })
        }
        shares.sum().backward()
        record.backward()
      }
      for (index, (leaf, expected)) in zip(leaves, expected).enumerated() {
        // The last block's text asks nothing, so the norm of its queries learns nothing.
        #expect((leaf.gradient == nil) == (expected == nil), "leaf \(index)")
        guard let found = leaf.gradient, let expected else { continue }
        #expect(relativeError(found, expected) < 1e-5, "leaf \(index)")
      }
    }
  }

  @Test func `weights that have changed are read in the next scope`() throws {
    let weights = [2, 3].map {
      Weights(width: 32, heads: 2, isLast: false, norms: true, seed: UInt64($0))
    }
    let kernel = try #require(JointBlockKernel(weights[0].stream, weights[1].stream, heads: 2))
    let generator = Generator(seed: 1)
    let inputs = [5, 3].map { Tensor.randn([2, $0, 32], generator: generator) }
    let conditioning = Tensor.randn([2, 32], generator: generator)
    for step in 0..<3 {
      let found = TorchRuntime.withSingleThreadedOps {
        kernel(inputs[0], inputs[1], conditioning: conditioning, keyBias: nil, epsilon: 1e-6).first
      }
      let expected = composed(
        weights, inputs, conditioning: conditioning, keyBias: nil, heads: 2)
      #expect(relativeError(found, try #require(expected[0])) < 1e-5, "step \(step)")
      // As optimizers and averages change them: in place, many at once.
      let tensors = weights.flatMap { $0.layers.values.map(\.weight) }
      TensorList.add_(tensors, tensors.map { Tensor.randn($0.shape, generator: generator) })
    }
  }

  @Test func `threads that are done take over samples of the others, with the same bits`() throws {
    let weights = [2, 3].map {
      Weights(width: 32, heads: 2, isLast: false, norms: true, seed: UInt64($0))
    }
    let kernel = try #require(JointBlockKernel(weights[0].stream, weights[1].stream, heads: 2))
    let generator = Generator(seed: 1)
    let inputs = [20, 12].map { Tensor.randn([2000, $0, 32], generator: generator) }
    let conditioning = Tensor.randn([2000, 32], generator: generator)
    func block(_ rows: Range<Int>) -> Tensor {
      let parts = (inputs + [conditioning]).map { $0.narrowed(dim: 0, rows) }
      let (first, second) = kernel(
        parts[0], parts[1], conditioning: parts[2], keyBias: nil, epsilon: 1e-6)
      return Tensor.cat([first, second!], dim: 1)
    }
    let expected = TorchRuntime.withSingleThreadedOps { block(0..<2000).floats() }
    let threads = TorchRuntime.threadCount
    TorchRuntime.threadCount = 2
    defer { TorchRuntime.threadCount = threads }
    for late in [0, 1000, 2000] {
      let found = TorchRuntime.withSingleThreadedOps {
        Tensor.threadedBatch(2000, on: .cpu) { rows in
          // The other thread has long done its own by then.
          if rows.lowerBound == late { usleep(50_000) }
          return block(rows)
        }
      }
      #expect(found.floats() == expected)
    }
  }

  @Test func `other sizes and types have no kernel`() {
    func kernel(width: Int, heads: Int, _ dtype: DType = .float32) -> JointBlockKernel? {
      let layer = Layer(weight: Tensor.zeros([width, width], dtype: dtype), bias: nil)
      let modulation = Layer(weight: Tensor.zeros([6 * width, width], dtype: dtype), bias: nil)
      let stream = Stream(
        modulation: modulation, query: layer, key: layer, value: layer, output: layer,
        feedForward: (layer, layer), norms: nil)
      return JointBlockKernel(stream, stream, heads: heads)
    }
    #expect(kernel(width: 32, heads: 2) != nil)
    #expect(kernel(width: 40, heads: 1) == nil)
    #expect(kernel(width: 48, heads: 2) == nil)
    #expect(kernel(width: 32, heads: 2, .bfloat16) == nil)
    #expect(kernel(width: 1536, heads: 24) == nil)
  }
}
