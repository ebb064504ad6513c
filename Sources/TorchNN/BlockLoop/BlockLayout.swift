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
    byteCount += Self.aligned(place.byteCount)
    return place
  }

  /// Bytes of a block that each of `count` processes keeps: equal parts, the last one padded.
  static func share(of byteCount: Int, among count: Int) -> Int {
    count == 1 ? byteCount : aligned((byteCount + count - 1) / count)
  }

  private static func aligned(_ byteCount: Int) -> Int {
    (byteCount + alignment - 1) / alignment * alignment
  }

  /// Of the kernels' widest loads, and more than a cache line.
  private static let alignment = 256
}
