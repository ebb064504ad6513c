import CPUKernels
import TestSupport
import Testing
import Torch
import TorchNN

/// The layers of one stream, for the kernel and for operators.
private struct StreamWeights {
  let layers: [String: Linear]
  let queryNorm, keyNorm: Tensor?

  init(
    width: Int, heads: Int, isLast: Bool, norms: Bool, seed: UInt64, dtype: DType? = nil,
    adapters: [String] = []
  ) throws {
    let generator = Generator(seed: seed)
    var sizes = [("modulation", width, (isLast ? 2 : 6) * width)]
    for name in isLast ? ["key", "value"] : ["key", "value", "query", "output"] {
      sizes.append((name, width, width))
    }
    if !isLast { sizes += [("up", width, 4 * width), ("down", 4 * width, width)] }
    var values: [String: Tensor] = [:]
    for (name, inputs, outputs) in sizes {
      let scale = 1 / Double(inputs).squareRoot()
      values["\(name).weight"] = Tensor.randn([outputs, inputs], generator: generator) * scale
      values["\(name).bias"] = Tensor.randn([outputs], generator: generator) * 0.1
    }
    let plan = LoRAConfig(rank: 4, alpha: 4, targets: adapters)
    let store = ParameterStore(
      .checkpoint(values, origin: "test"), dtype: dtype,
      adapters: adapters.isEmpty ? nil : (config: plan, source: .random(generator)))
    var layers: [String: Linear] = [:]
    for (name, inputs, outputs) in sizes {
      layers[name] = try Linear(inputs, outputs, store.root[name])
    }
    self.layers = layers
    func norm() -> Tensor? {
      norms ? Tensor.randn([width / heads], generator: generator) + 1 : nil
    }
    (queryNorm, keyNorm) = (norm(), norm())
  }

  var stream: JointBlockLayers.Stream {
    JointBlockLayers.Stream(
      modulation: layers["modulation"]!, query: layers["query"], key: layers["key"]!,
      value: layers["value"]!, output: layers["output"],
      feedForward: layers["up"].map { ($0, layers["down"]!) },
      norms: queryNorm.map { ($0, keyNorm!) })
  }

  var leaves: [Tensor] {
    let ordered = layers.sorted { $0.key < $1.key }.flatMap { [$0.value.weight, $0.value.bias!] }
    return ordered + [queryNorm, keyNorm].compactMap { $0 }
  }

  func callAsFunction(_ name: String, _ x: Tensor) -> Tensor {
    let layer = layers[name]!
    return x.matmul(layer.weight.to(.float64).transposed(0, 1)) + layer.bias!.to(.float64)
  }
}

/// The kernel of a block; nil if its layers are unsupported.
private func jointBlock(_ weights: [StreamWeights], heads: Int) -> JointBlockKernel? {
  JointBlockKernel(
    JointBlockLayers(
      first: weights[0].stream, second: weights[1].stream, heads: heads, epsilon: 1e-6))
}

/// The block computed by operators in float64.
private func composed(
  _ streams: [StreamWeights], _ inputs: [Tensor], conditioning: Tensor, keyBias: Tensor?, heads: Int
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

@Suite(.enabled(if: whyOff(.jointBlock) == nil, "\(whyOff(.jointBlock) ?? "")"))
struct JointBlockKernelTests {
  /// Samples, tokens of both streams, heads, width of a head: odd sizes, more samples than a tile
  /// holds, more tokens than one group of queries.
  @Test(
    arguments: [
      (1, 1, 1, 1, 16), (3, 16, 15, 3, 32), (40, 16, 15, 3, 32), (2, 170, 77, 2, 48),
      (7, 33, 5, 1, 64),
    ], [false, true])
  func `a block equals its operators`(
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
        try StreamWeights(width: width, heads: size.heads, isLast: false, norms: norms, seed: 2),
        try StreamWeights(width: width, heads: size.heads, isLast: isLast, norms: norms, seed: 3),
      ]
      let kernel = try #require(
        jointBlock(weights, heads: size.heads))
      let kept = inputs.map { $0.floats() }
      let found = TorchRuntime.withSingleThreadedOps {
        kernel(inputs[0], inputs[1], conditioning: conditioning, keyBias: bias)
      }
      let expected = composed(
        weights, inputs, conditioning: conditioning, keyBias: bias, heads: size.heads)
      #expect(relativeError(found.first, try #require(expected[0])) < 1e-5)
      #expect((found.second == nil) == isLast)
      if let second = found.second {
        #expect(relativeError(second, try #require(expected[1])) < 1e-5)
      }
      #expect(inputs.map { $0.floats() } == kept, "inputs are unchanged")
    }
  }

  @Test(
    arguments: [
      (1, 1, 1, 1, 16), (3, 16, 15, 3, 32), (20, 16, 15, 3, 32), (2, 170, 77, 2, 48),
      (7, 33, 5, 1, 64),
    ], [false, true])
  func `its gradients equal those of its operators`(
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
        try StreamWeights(width: width, heads: size.heads, isLast: false, norms: norms, seed: 2),
        try StreamWeights(width: width, heads: size.heads, isLast: isLast, norms: norms, seed: 3),
      ]
      let leaves = inputs + weights.flatMap(\.leaves)
      for leaf in leaves {
        leaf.gradient = nil
        leaf.requiresGradient = true
      }
      /// Every sample's share of an element whose gradient at the outputs is `arriving`.
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
        jointBlock(weights, heads: size.heads))
      let record = ThreadedBatch(leaves: leaves)
      record.within {
        let shares = record.run(size.samples) { rows in
          #expect(kernel.accepts(inputs[0], inputs[1]))
          let part = inputs.map { $0.narrowed(dim: 0, rows) }
          let found = kernel(
            part[0], part[1], conditioning: part[2], keyBias: bias)
          #expect((found.second == nil) == isLast)
          return weighted(
            [found.first, found.second], arriving.map { $0.narrowed(dim: 0, rows) })
        }
        shares.sum().backward()
        record.backward()
      }
      for (index, (leaf, expected)) in zip(leaves, expected).enumerated() {
        // The last block's text has no queries, so the norm of its queries has no gradient.
        #expect((leaf.gradient == nil) == (expected == nil), "leaf \(index)")
        guard let found = leaf.gradient, let expected else { continue }
        #expect(relativeError(found, expected) < 1e-5, "leaf \(index)")
      }
    }
  }

  @Test func `weights that have changed are read in the next scope`() throws {
    let weights = try [2, 3].map {
      try StreamWeights(width: 32, heads: 2, isLast: false, norms: true, seed: UInt64($0))
    }
    let kernel = try #require(jointBlock(weights, heads: 2))
    let generator = Generator(seed: 1)
    let inputs = [5, 3].map { Tensor.randn([2, $0, 32], generator: generator) }
    let conditioning = Tensor.randn([2, 32], generator: generator)
    for step in 0..<3 {
      let found = TorchRuntime.withSingleThreadedOps {
        kernel(inputs[0], inputs[1], conditioning: conditioning, keyBias: nil).first
      }
      let expected = composed(
        weights, inputs, conditioning: conditioning, keyBias: nil, heads: 2)
      #expect(relativeError(found, try #require(expected[0])) < 1e-5, "step \(step)")
      // In-place changes of many weights at once, as by optimizers and averages.
      let tensors = weights.flatMap { $0.layers.values.map(\.weight) }
      TensorList.add_(tensors, tensors.map { Tensor.randn($0.shape, generator: generator) })
    }
  }

  @Test func `a sample has the same bits in any batch and on any thread`() throws {
    let weights = try [2, 3].map {
      try StreamWeights(width: 32, heads: 2, isLast: false, norms: true, seed: UInt64($0))
    }
    let kernel = try #require(jointBlock(weights, heads: 2))
    let generator = Generator(seed: 1)
    let inputs = [20, 12].map { Tensor.randn([50, $0, 32], generator: generator) }
    let conditioning = Tensor.randn([50, 32], generator: generator)
    func block(_ rows: Range<Int>) -> Tensor {
      let parts = (inputs + [conditioning]).map { $0.narrowed(dim: 0, rows) }
      let (first, second) = kernel(parts[0], parts[1], conditioning: parts[2], keyBias: nil)
      return Tensor.cat([first, second!], dim: 1)
    }
    let expected = TorchRuntime.withSingleThreadedOps { block(0..<50) }
    let threads = TorchRuntime.threadCount
    defer { TorchRuntime.threadCount = threads }
    for count in [1, 2, 3] {
      TorchRuntime.threadCount = count
      let found = TorchRuntime.withSingleThreadedOps {
        Tensor.threadedBatch(50, on: .cpu) { block($0) }
      }
      #expect(found.floats() == expected.floats())
    }
    let alone = TorchRuntime.withSingleThreadedOps { block(7..<8) }
    #expect(alone.floats() == expected.narrowed(dim: 0, 7..<8).floats())
  }

  @Test func `other sizes, types and layers with an adapter have no kernel`() throws {
    func hasKernel(
      width: Int, heads: Int, _ dtype: DType? = nil, adapters: [String] = []
    ) throws -> Bool {
      let weights = try [2, 3].map {
        try StreamWeights(
          width: width, heads: heads, isLast: false, norms: true, seed: $0, dtype: dtype,
          adapters: adapters)
      }
      return jointBlock(weights, heads: heads) != nil
    }
    #expect(try hasKernel(width: 32, heads: 2))
    #expect(try !hasKernel(width: 40, heads: 1))
    #expect(try !hasKernel(width: 48, heads: 2))
    #expect(try !hasKernel(width: 32, heads: 2, .bfloat16))
    #expect(try !hasKernel(width: 1536, heads: 24))
    for layer in ["modulation", "query", "key", "value", "output", "up", "down"] {
      #expect(try !hasKernel(width: 32, heads: 2, adapters: [layer]), "\(layer)")
    }
  }

  @Test func `it runs only on threads with single-threaded operators`() throws {
    let weights = try [2, 3].map {
      try StreamWeights(width: 32, heads: 2, isLast: false, norms: true, seed: $0)
    }
    let kernel = try #require(jointBlock(weights, heads: 2))
    let (x, text) = (Tensor.zeros([2, 5, 32]), Tensor.zeros([2, 3, 32]))
    #expect(withoutGradient { !kernel.accepts(x, text) })
    let record = ThreadedBatch(leaves: [])
    record.within {
      _ = record.run(2) { rows in
        #expect(kernel.accepts(x, text))
        return x.narrowed(dim: 0, rows)
      }
    }
    TorchRuntime.withSingleThreadedOps {
      #expect(withGradient { !kernel.accepts(x, text) })
      withoutGradient {
        #expect(kernel.accepts(x, text))
        #expect(!kernel.accepts(x.to(.float64), text.to(.float64)))
        #expect(!kernel.accepts(Tensor.zeros([1, 250, 32]), Tensor.zeros([1, 7, 32])))
        let meta = Tensor.zeros([2, 5, 32], device: .meta)
        #expect(!kernel.accepts(meta, meta))
      }
    }
  }
}
