import Torch

/// The bytes of a block that this process keeps: all of them or a part, on the device or the host.
///
/// libtorch rounds pinned memory up to a power of 2, so a buffer there consists of pieces of these
/// sizes.
struct StoredBlock {
  /// The place of the bytes among those of the block.
  let range: Range<Int>
  private let pieces: [(start: Int, bytes: Tensor)]

  /// Bytes on a device.
  init(_ range: Range<Int>, on device: Device) {
    self.range = range
    pieces = [(range.lowerBound, .empty([range.count], dtype: .uint8, device: device))]
  }

  /// Bytes on the host.
  init(_ range: Range<Int>, isPinned: Bool) {
    self.range = range
    var pieces: [(start: Int, bytes: Tensor)] = []
    var start = range.lowerBound
    while start < range.upperBound {
      let rest = range.upperBound - start
      let largest = 1 << (Int.bitWidth - 1 - rest.leadingZeroBitCount)
      let length = isPinned && largest >= Self.smallestPiece ? largest : rest
      pieces.append((start, .hostBytes(length, isPinned: isPinned)))
      start += length
    }
    self.pieces = pieces
  }

  /// The bytes that are kept in one piece, as those on a device are.
  var bytes: Tensor {
    precondition(pieces.count == 1, "bytes in several pieces")
    return pieces[0].bytes
  }

  /// Copies the bytes of a tensor of any device that belong to this part of the block.
  ///
  /// - Parameter start: of the tensor in the block.
  func write(_ tensor: Tensor, at start: Int) {
    let bytes = tensor.contiguous().reshaped([-1]).viewed(as: .uint8)
    for (first, piece) in pieces {
      let common =
        max(first, start)..<max(first, start, min(first + piece.count, start + bytes.count))
      guard !common.isEmpty else { continue }
      piece.narrowed(dim: 0, start: common.lowerBound - first, length: common.count)
        .copy_(bytes.narrowed(dim: 0, start: common.lowerBound - start, length: common.count))
    }
  }

  /// Queues the copy of the bytes to a buffer of the device. uint8 `[range.count]`
  func copy(to buffer: Tensor) {
    for (start, piece) in pieces {
      buffer.narrowed(dim: 0, start: start - range.lowerBound, length: piece.count)
        .copy_(piece, nonBlocking: true)
    }
  }

  /// 1 MiB: a rest below it is one piece, whatever its rounding costs.
  private static let smallestPiece = 1 << 20
}
