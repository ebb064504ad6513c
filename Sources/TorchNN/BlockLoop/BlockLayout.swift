import Torch

/// The places of a block's tensors in a buffer of bytes.
struct BlockLayout {
  struct Place {
    let shape: [Int]
    let dtype: DType
    let start: Int

    var byteCount: Int { shape.reduce(dtype.byteCount, *) }

    /// The tensor at this place of `buffer`; shares its bytes.
    func view(in buffer: Tensor) -> Tensor {
      buffer.narrowed(dim: 0, start: start, length: byteCount).viewed(as: dtype).reshaped(shape)
    }
  }

  private(set) var byteCount = 0

  /// Takes a place behind the others.
  mutating func add(_ shape: [Int], _ dtype: DType) -> Place {
    let place = Place(shape: shape, dtype: dtype, start: byteCount)
    byteCount += (place.byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
    return place
  }

  /// Of the kernels' widest loads, and more than a cache line.
  private static let alignment = 256
}

/// A block's bytes in the host's memory, pinned for a GPU.
///
/// libtorch rounds pinned memory up to a power of 2, so a buffer consists of pieces of these sizes.
struct HostBuffer {
  private let pieces: [(start: Int, bytes: Tensor)]

  init(_ byteCount: Int, isPinned: Bool) {
    var pieces: [(start: Int, bytes: Tensor)] = []
    var start = 0
    while start < byteCount {
      let rest = byteCount - start
      let largest = 1 << (Int.bitWidth - 1 - rest.leadingZeroBitCount)
      let length = isPinned && largest >= Self.smallestPiece ? largest : rest
      pieces.append((start, .hostBytes(length, isPinned: isPinned)))
      start += length
    }
    self.pieces = pieces
  }

  /// Copies the bytes of a tensor of any device to a place.
  func write(_ tensor: Tensor, at place: BlockLayout.Place) {
    let bytes = tensor.to(.cpu).contiguous().reshaped([-1]).viewed(as: .uint8)
    for (start, piece) in pieces {
      let range = max(start, place.start)..<min(start + piece.count, place.start + place.byteCount)
      guard !range.isEmpty else { continue }
      piece.narrowed(dim: 0, start: range.lowerBound - start, length: range.count)
        .copy_(bytes.narrowed(dim: 0, start: range.lowerBound - place.start, length: range.count))
    }
  }

  /// Queues the copy of all bytes to the start of a buffer of the device.
  func copy(to buffer: Tensor) {
    for (start, piece) in pieces {
      buffer.narrowed(dim: 0, start: start, length: piece.count).copy_(piece, nonBlocking: true)
    }
  }

  /// 1 MiB: a rest below it is one piece, whatever its rounding costs.
  private static let smallestPiece = 1 << 20
}
