package import ProcessGroups
internal import TempFlow
internal import Torch
package import TorchNN

/// The sum of an update's gradients over forward passes and processes, which has the same bits in
/// whatever order and on however many processes they are added.
///
/// Floating-point sums depend on their order. Each pass's gradient is therefore turned into whole
/// numbers of 2^-48 (3.6e-15) and those are added; 62 bits hold gradients up to 2^14 over the
/// number of passes. A larger or a non-finite one makes the whole gradient NaN. Two passes have one
/// order, so their float32 gradients are added as they are.
/// docs/decisions/0026 has the reasons.
package final class GradientSum {
  /// How the gradients of an update become a sum.
  private enum Form {
    /// One pass in one process, whose float32 bits the others get.
    case single(root: Int)
    /// Two passes, in a process alone or in one process each.
    case pair
    /// At most one pass a process. Its gradient is exact in float32 and half as large as the whole
    /// numbers, which the process that adds it makes.
    case oneEach
    /// Several passes, each added to the whole numbers of its process, `sums`.
    case several
  }

  /// Neighboring parameters that are converted together, which bounds the memory of conversions.
  private struct Chunk {
    /// The places of the parameters.
    let places: Range<Int>
    /// Elements of each of N processes, which adds them for all: the last ones end in zeros.
    let share: Int
    let number: Int
  }

  private let parameters: [Tensor]
  private let group: ProcessGroup
  private let device: Device
  private var chunks: [Chunk] = []
  /// nil where there is nothing to add: all passes of the update are one, in a process alone.
  private var form: Form?
  /// Those of `Form.several`, made once. By chunk, int64 `[N * share]`
  private lazy var sums = chunks.map {
    Tensor.zeros([$0.share * group.size], dtype: .int64, device: device)
  }
  private var passes = 0, scale = 1.0
  /// The gradients of the first of two passes in a process alone.
  private var first: [Tensor?]?
  /// For each parameter how many passes had a gradient of it, then how many passes were out of
  /// range. int64
  private let counts: Tensor
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

  /// Bytes that each of several processes sends on average, for `count` parameters: their gradients
  /// to those that add them, and its share of the sum in float32; or the gradient of the only pass.
  ///
  /// - Parameters:
  ///   - passes: of an update.
  ///   - most: of the process that has the most.
  static func sentBytes(of count: Int, passes: Int, most: Int, processes: Int) -> Int {
    let bytes = passes == 1 ? 4 : most == 1 ? 4 + 4 : 8 + 4
    return bytes * count * (processes - 1) / processes
  }

  /// - Parameters:
  ///   - parameters: float32, on one device.
  ///   - group: the processes.
  package init(_ parameters: [ParameterStore.Named], _ group: ProcessGroup) {
    self.parameters = parameters.map(\.tensor)
    self.group = group
    device = self.parameters.first?.device ?? .cpu
    ownCounts = Array(repeating: 0, count: parameters.count)
    counts = Tensor.zeros([parameters.count + 1], dtype: .int64, device: device)
    var (first, length) = (0, 0)
    for (place, tensor) in self.parameters.enumerated() {
      length += tensor.count
      guard length >= Self.chunkElements || place == parameters.count - 1 else { continue }
      chunks.append(
        Chunk(
          places: first..<place + 1, share: (length + group.size - 1) / group.size,
          number: chunks.count))
      (first, length) = (place + 1, 0)
    }
  }

  /// Begins an update.
  ///
  /// - Parameters:
  ///   - passes: of the update, over all processes, which have shares of them.
  ///   - scale: a loss scale that the gradients are multiplied by, a power of two.
  package func begin(passes: Int, scale: Double = 1) {
    (self.passes, self.scale, first) = (passes, scale, nil)
    counts.fill_(0)
    ownCounts = Array(repeating: 0, count: parameters.count)
    switch (passes, group.size, WorkShare(group.rank, of: group.size).most(of: passes)) {
    case (0, _, _), (1, 1, _): form = nil
    // The last of the shares has the only item.
    case (1, _, _): form = .single(root: group.size - 1)
    case (2, _, _): form = .pair
    case (_, _, 1): form = .oneEach
    default:
      for sum in sums { sum.fill_(0) }
      form = .several
    }
  }

  /// Takes a pass whose gradients are in the parameters. Where several passes are added here, the
  /// parameters then have none.
  package func add() {
    let gradients = parameters.map(\.gradient)
    for (place, gradient) in gradients.enumerated() where gradient != nil { ownCounts[place] += 1 }
    switch form {
    case nil, .single: return
    case .pair:
      guard group.size == 1 else { return }
      if let first {
        TensorList.addGradients(first, to: parameters)
      } else {
        first = gradients
        for parameter in parameters { parameter.gradient = nil }
      }
    case .oneEach: withoutGradient { checkRange(gradients) }
    case .several:
      withoutGradient {
        checkRange(gradients)
        for chunk in chunks {
          guard let flat = flat(gradients, of: chunk, .float64) else { continue }
          sums[chunk.number].add_(wholeNumbers(flat))
        }
      }
      for parameter in parameters { parameter.gradient = nil }
    }
  }

  /// The gradients of a chunk's parameters one after the other, zeros in place of missing ones:
  /// `[N * share]`; nil if all are missing.
  private func flat(_ gradients: [Tensor?], of chunk: Chunk, _ type: DType) -> Tensor? {
    guard chunk.places.contains(where: { gradients[$0] != nil }) else { return nil }
    let flat = Tensor.zeros([chunk.share * group.size], dtype: type, device: device)
    let present = zip(split(flat, like: chunk.places), gradients[chunk.places])
      .compactMap { part, gradient in gradient.map { (part, $0) } }
    TensorList.copy_(present.map(\.0), present.map(\.1))
    return flat
  }

  /// float64 gradients, which are changed, as whole numbers in int64.
  private func wholeNumbers(_ gradients: Tensor) -> Tensor {
    TensorList.multiply_([gradients], by: Self.unit / scale)
    return gradients.to(.int64)
  }

  /// The norm that no parameter's gradient in a pass of this update may have, without the loss
  /// scale; nil where gradients are not turned into whole numbers.
  package var limit: Double? {
    switch form {
    case nil, .single, .pair: nil
    case .oneEach, .several: Self.largest / Double(passes)
    }
  }

  /// Counts a pass whose gradients are not all below the limit.
  private func checkRange(_ gradients: [Tensor?]) {
    let present = gradients.compactMap(\.self)
    guard !present.isEmpty else { return }
    let largest = Tensor.stack(TensorList.norms(present), dim: 0).amax()
    let isWithin = largest.isLess(than: (limit ?? .infinity) * scale).to(.int64)
    counts.narrowed(dim: 0, start: parameters.count, length: 1).add_(1 - isWithin)
  }

  /// Leaves the sums over all processes in the parameters' gradients, without the loss scale. A
  /// gradient that is missing in every pass stays missing.
  ///
  /// - Throws: `ProcessGroupError`.
  package func finish() throws(ProcessGroupError) {
    first = nil
    guard let form else { return withoutScale() }
    if case .pair = form, group.size == 1 { return withoutScale() }
    withoutGradient {
      counts.narrowed(dim: 0, start: 0, length: parameters.count)
        .copy_(Tensor(ownCounts, shape: [parameters.count]).to(counts.device))
    }
    try group.allReduce(counts, Self.step)
    let found = group.size > 1 ? counts.ints() : ownCounts
    // 1, or NaN where a pass was out of range.
    let isWithin = counts.narrowed(dim: 0, start: parameters.count, length: 1)
      .isLess(than: 1).to(.float32)
    let factor = isWithin / isWithin
    for chunk in chunks {
      let sum = try finish(chunk, form, factor)
      for (place, part) in zip(chunk.places, split(sum, like: chunk.places)) {
        parameters[place].gradient = found[place] > 0 ? part : nil
      }
    }
    switch form {
    case .single, .pair: withoutScale()
    case .oneEach, .several: break
    }
  }

  /// Takes the loss scale out of gradients that have not been converted.
  private func withoutScale() {
    let gradients = parameters.compactMap(\.gradient)
    guard scale != 1, !gradients.isEmpty else { return }
    withoutGradient { TensorList.multiply_(gradients, by: 1 / scale) }
  }

  private static let step = "the sum of the gradients"

  /// The sum of a chunk, float32 `[N * share]`.
  private func finish(
    _ chunk: Chunk, _ form: Form, _ factor: Tensor
  ) throws(ProcessGroupError) -> Tensor {
    var sum: Tensor
    switch form {
    case .single(let root):
      let flat = ownGradient(of: chunk)
      try group.broadcast(flat, from: root, Self.step)
      return flat
    case .pair:
      // Zeros of processes without a pass change nothing.
      let sum = try exchange(ownGradient(of: chunk), chunk).sum(dims: [0])
      return try gathered(sum)
    case .oneEach: sum = wholeNumbers(try exchange(ownGradient(of: chunk), chunk).to(.float64))
    case .several: sum = try exchange(sums[chunk.number], chunk)
    }
    sum = group.size > 1 ? sum.sum(dims: [0]) : sum.reshaped([chunk.share])
    let rounded = (sum.to(.float64) * (1 / Self.unit)).to(.float32) * factor
    guard group.size > 1 else { return rounded }
    return try gathered(rounded)
  }

  /// The shares of all processes: `[share] -> [N * share]`.
  private func gathered(_ share: Tensor) throws(ProcessGroupError) -> Tensor {
    try group.allGather(share, Self.step).reshaped([share.count * group.size])
  }

  /// The gradient that the parameters of a chunk have here, zeros in place of missing ones:
  /// float32 `[N * share]`.
  private func ownGradient(of chunk: Chunk) -> Tensor {
    flat(parameters.map(\.gradient), of: chunk, .float32)
      ?? Tensor.zeros([chunk.share * group.size], device: device)
  }

  /// This process's share of a chunk from every process: `[N * share] -> [N, share]`.
  private func exchange(_ numbers: Tensor, _ chunk: Chunk) throws(ProcessGroupError) -> Tensor {
    let rows = Array(repeating: chunk.share, count: group.size)
    return try group.exchange(numbers, sent: rows, received: rows, Self.step)
      .reshaped([group.size, chunk.share])
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
