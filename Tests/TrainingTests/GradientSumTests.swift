import Foundations
import ProcessGroups
import Testing
import Torch
import TorchNN
import Training

@Suite struct GradientSumTests {
  private static let shapes = [[3, 2], [5], [1], [4, 4]]

  private func parameters() -> [ParameterStore.Named] {
    Self.shapes.enumerated().map { ("p\($0)", Tensor.zeros($1)) }
  }

  /// The gradients of some passes, of very different sizes.
  private func gradients(_ passes: Int, seed: UInt64) -> [[Tensor]] {
    let generator = Generator(seed: seed)
    return (0..<passes).map { pass in
      Self.shapes.map { shape in
        let size = Tensor.randn(shape, generator: generator) * 1.5
        return Tensor.randn(shape, generator: generator) * size.exp()
      }
    }
  }

  /// The sum's gradients after the passes in this order; nil where a parameter has none.
  private func sum(_ passes: [[Tensor?]], scale: Double = 1) throws -> [[Float]?] {
    let parameters = parameters()
    let sum = GradientSum(parameters, .alone)
    sum.begin(passes: passes.count, scale: scale)
    for gradients in passes {
      for (parameter, gradient) in zip(parameters, gradients) {
        parameter.tensor.gradient = gradient?.clone()
      }
      sum.add()
    }
    try sum.finish()
    return parameters.map { $0.tensor.gradient?.floats() }
  }

  @Test(arguments: [2, 3, 17]) func `the order of the passes does not change a bit`(
    count: Int
  ) throws {
    let passes = gradients(count, seed: 4)
    let expected = try sum(passes)
    var generator = SplitMix64(seed: 9)
    for _ in 0..<8 {
      let order = generator.permutation(count)
      #expect(try sum(order.map { passes[$0] }) == expected)
    }
  }

  @Test func `a sum is that of float64 within a whole number's size for each pass`() throws {
    let passes = gradients(6, seed: 5)
    let found = try sum(passes)
    for (index, values) in found.enumerated() {
      let expected = passes.reduce(into: Array(repeating: 0.0, count: passes[0][index].count)) {
        for (place, value) in $1[index].doubles().enumerated() { $0[place] += value }
      }
      for (value, exact) in zip(try #require(values), expected) {
        // Each pass loses less than 2^-48; the result is rounded to float32.
        #expect(abs(Double(value) - exact) <= 6 * 0x1p-48 + abs(exact) * 0x1p-24)
      }
    }
  }

  @Test func `a loss scale is taken out without rounding`() throws {
    let passes = gradients(3, seed: 6)
    let scaled = passes.map { $0.map { $0 * 1024.0 } }
    #expect(try sum(scaled, scale: 1024) == sum(passes))
  }

  @Test func `a process alone leaves a single pass in place`() throws {
    var pass = gradients(1, seed: 7)
    pass[0][1] = Tensor([-0, 1e-40, .infinity, -3, 0x1p-126] as [Float], shape: [5])
    let found = try sum(pass)
    for (values, tensor) in zip(found, pass[0]) {
      #expect(try #require(values).map(\.bitPattern) == tensor.floats().map(\.bitPattern))
    }
  }

  @Test func `two passes are added as they are`() throws {
    var passes = gradients(2, seed: 11)
    passes[0][2] = Tensor([1e-30 as Float], shape: [1])
    passes[1][2] = Tensor([20_000 as Float], shape: [1])
    let expected = zip(passes[0], passes[1]).map { ($0 + $1).floats() }
    #expect(try sum(passes) == expected)
    let scaled = passes.map { $0.map { $0 * 1024.0 } }
    #expect(try sum(scaled, scale: 1024) == expected)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, 20_000])
  func `a gradient out of range makes all of it not a number`(value: Float) throws {
    var passes = gradients(3, seed: 8)
    passes[1][2] = Tensor([value], shape: [1])
    let found = try sum(passes)
    #expect(found.allSatisfy { $0?.allSatisfy(\.isNaN) == true })
  }

  @Test func `a gradient that is missing in some passes counts as zero, in all as missing`() throws
  {
    let full = gradients(2, seed: 10)
    var passes = full.map { $0.map(Optional.some) }
    passes[0][0] = nil
    passes[0][3] = nil
    passes[1][3] = nil
    let found = try sum(passes)
    #expect(found[3] == nil)
    // Rounding to whole numbers and back keeps float32 numbers above 2^-24.
    for (value, expected) in zip(try #require(found[0]), full[1][0].floats())
    where abs(expected) >= 0x1p-24 { #expect(value == expected) }
  }

  @Test func `parameters larger than a conversion are summed as others`() throws {
    let count = 5 << 20
    let large = Tensor.zeros([count])
    let parameters = [("a", large), ("b", Tensor.zeros([2])), ("c", Tensor.zeros([3]))]
    let sum = GradientSum(parameters, .alone)
    sum.begin(passes: 3)
    for value in [0.25, 0.5, 0.25] {
      for (_, tensor) in parameters {
        tensor.gradient = Tensor.full(tensor.shape, value, dtype: .float32, device: .cpu)
      }
      sum.add()
    }
    try sum.finish()
    for (_, tensor) in parameters {
      let gradient = try #require(tensor.gradient)
      #expect(gradient.shape == tensor.shape)
      #expect(gradient.amax().item() == 1 && gradient.amin().item() == 1)
    }
  }
}
