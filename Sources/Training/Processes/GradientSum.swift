package import ProcessGroups
internal import Torch
package import TorchNN

/// The sum of an update's gradients over forward passes and processes, which has the same bits in
/// whatever order and on however many processes they are added.
///
/// Floating-point sums depend on their order. Each pass's gradient is therefore turned into whole
/// numbers of 2^-48 (3.6e-15) and those are added; 62 bits hold gradients up to 2^14 over the
/// number of passes. A larger or a non-finite one makes the whole gradient NaN.
/// docs/decisions/0026 has the reasons.
package final class GradientSum {
  /// How a gradient becomes whole numbers.
  package enum Form: Equatable {
    /// Its float32 bits, for an update of one pass: the other processes add zero.
    case bits
    /// Multiples of 2^-48.
    ///
    /// - Parameters:
    ///   - passes: of the update, over all processes.
    ///   - scale: a loss scale that the gradients are multiplied by, a power of two.
    case fixedPoint(passes: Int, scale: Double)
  }

  /// Neighboring parameters that are converted together, which bounds the memory of conversions.
  private struct Chunk {
    /// The places of the parameters.
    let places: Range<Int>
    /// int64
    let sums: Tensor
  }

  private let parameters: [Tensor]
  private let chunks: [Chunk]
  /// The sums of all parameters; then for each parameter how many passes had a gradient; then how
  /// many passes were out of range. int64
  private let sums: Tensor
  /// The part of `sums` behind the parameters' sums.
  private let counts: Tensor
  private var form = Form.bits
  /// How many passes of this process had a gradient of each parameter.
  private var ownCounts: [Int]

  private static let unit = 0x1p48
  private static let largest = 0x1p14
  private static let chunkElements = 4 << 20

  /// Bytes of the sums of `count` parameters, and of the numbers of a chunk while they are
  /// converted, float64 and int64.
  static func bytes(of count: Int) -> (sums: Int, conversion: Int) {
    (8 * count, 2 * 8 * min(count, chunkElements))
  }

  /// - Parameter parameters: float32, on one device.
  package init(_ parameters: [ParameterStore.Named]) {
    self.parameters = parameters.map(\.tensor)
    ownCounts = Array(repeating: 0, count: parameters.count)
    let count = self.parameters.reduce(0) { $0 + $1.count }
    sums = Tensor.zeros(
      [count + parameters.count + 1], dtype: .int64, device: self.parameters.first?.device ?? .cpu)
    counts = sums.narrowed(dim: 0, start: count, length: parameters.count + 1)
    var chunks: [Chunk] = []
    var (first, start, length) = (0, 0, 0)
    for (place, tensor) in self.parameters.enumerated() {
      length += tensor.count
      guard length >= Self.chunkElements || place == parameters.count - 1 else { continue }
      chunks.append(
        Chunk(
          places: first..<place + 1, sums: sums.narrowed(dim: 0, start: start, length: length)))
      (first, start, length) = (place + 1, start + length, 0)
    }
    self.chunks = chunks
  }

  /// Begins an update.
  package func begin(_ form: Form) {
    self.form = form
    sums.fill_(0)
    ownCounts = Array(repeating: 0, count: parameters.count)
  }

  /// Takes the gradients of a pass from the parameters, which then have none.
  package func add() {
    let gradients = parameters.map(\.gradient)
    for (place, gradient) in gradients.enumerated() where gradient != nil { ownCounts[place] += 1 }
    withoutGradient {
      for chunk in chunks {
        let present = chunk.places.compactMap { gradients[$0] }
        guard !present.isEmpty else { continue }
        if case .fixedPoint(let passes, let scale) = form {
          count(present, above: Self.largest * scale / Double(passes))
        }
        chunk.sums.add_(numbers(gradients[chunk.places], of: chunk))
      }
    }
    for parameter in parameters { parameter.gradient = nil }
  }

  /// Gradients as whole numbers, int64.
  private func numbers(_ gradients: ArraySlice<Tensor?>, of chunk: Chunk) -> Tensor {
    let isBits = form == .bits
    let flat = Tensor.zeros(
      [chunk.sums.count], dtype: isBits ? .float32 : .float64, device: sums.device)
    let parts = split(flat, like: chunk.places)
    let present = zip(parts, gradients).compactMap { part, gradient in gradient.map { (part, $0) } }
    TensorList.copy_(present.map(\.0), present.map(\.1))
    guard case .fixedPoint(_, let scale) = form else {
      return flat.viewed(as: .int32).to(.int64)
    }
    TensorList.multiply_([flat], by: Self.unit / scale)
    return flat.to(.int64)
  }

  /// Counts a pass whose gradients are not all below a limit.
  private func count(_ gradients: [Tensor], above limit: Double) {
    let largest = Tensor.stack(TensorList.norms(gradients), dim: 0).amax()
    let isWithin = largest.isLess(than: limit).to(.int64)
    counts.narrowed(dim: 0, start: parameters.count, length: 1).add_(1 - isWithin)
  }

  /// Leaves the sums over all processes in the parameters' gradients, those of fixed point without
  /// the loss scale. A gradient that is missing in
  /// every pass stays missing.
  ///
  /// - Throws: `ProcessGroupError`.
  package func finish(_ group: ProcessGroup) throws(ProcessGroupError) {
    withoutGradient {
      counts.narrowed(dim: 0, start: 0, length: parameters.count)
        .copy_(Tensor(ownCounts, shape: [parameters.count]))
    }
    try group.allReduce(sums, "the gradients")
    let found = group.size > 1 ? counts.ints() : ownCounts
    withoutGradient {
      // 1, or NaN where a pass was out of range.
      let isWithin = counts.narrowed(dim: 0, start: parameters.count, length: 1)
        .isLess(than: 1).to(.float32)
      let factor = isWithin / isWithin
      for chunk in chunks {
        let flat =
          switch form {
          case .bits: chunk.sums.to(.int32).viewed(as: .float32)
          case .fixedPoint:
            (chunk.sums.to(.float64) * (1 / Self.unit)).to(.float32) * factor
          }
        for (place, part) in zip(chunk.places, split(flat, like: chunk.places)) {
          parameters[place].gradient = found[place] > 0 ? part : nil
        }
      }
    }
  }

  /// The parts of a chunk in the shapes of its parameters.
  private func split(_ flat: Tensor, like places: Range<Int>) -> [Tensor] {
    var start = 0
    return places.map { place in
      let parameter = parameters[place]
      defer { start += parameter.count }
      return flat.narrowed(dim: 0, start: start, length: parameter.count)
        .reshaped(parameter.shape)
    }
  }
}
