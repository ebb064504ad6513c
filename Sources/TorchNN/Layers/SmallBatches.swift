import Torch

// B: rows of a batch.

extension Tensor {
  /// Rows of a product from which MKL rounds each of them alike, whatever their number. For fewer
  /// it has other kernels, and a row would depend on how the work is cut into batches and divided
  /// among processes.
  static let fewestRows = 4

  /// The rows of `body` for this batch, computed among at least `count` rows: rows of zeros fill
  /// it up. `[B, ...] -> [B, ...]`
  ///
  /// It takes no time to speak of: a product of few rows takes as long as its weights are read.
  func filled(to count: Int, _ body: (Tensor) -> Tensor) -> Tensor {
    let rows = shape[0]
    guard roundsRowsAlike, rows < count else { return body(self) }
    let zeros = Tensor.zeros([count - rows] + shape.dropFirst())
    return body(Tensor.cat([self, zeros], dim: 0)).narrowed(dim: 0, start: 0, length: rows)
  }

  /// A convolution that rounds each image alike, whatever their number. `[B, in, h, w]`, `[out, in,
  /// kernel, kernel]` `-> [B, out, h', w']`
  ///
  /// libtorch chooses between oneDNN and a kernel of its own by the number of images
  /// (`use_mkldnn` in aten/src/ATen/native/Convolution.cpp): oneDNN has batches of more than 20,480
  /// numbers or two images; on one thread, convolutions of single pixels only where they have 16
  /// images. So a batch of small images is filled up to that, and larger images, which are over
  /// the first limit alone, go through convolutions of single pixels one by one.
  func convolved(weight: Tensor, bias: Tensor?, stride: Int = 1, padding: Int = 0) -> Tensor {
    func convolution(_ x: Tensor) -> Tensor {
      x.conv2d(weight: weight, bias: bias, stride: stride, padding: padding)
    }
    let isSmall = shape.dropFirst().reduce(1, *) <= 20_480
    let isOfSinglePixels = weight.shape[2] == 1 && weight.shape[3] == 1 && stride == 1
    if isSmall { return filled(to: isOfSinglePixels ? 16 : 2, convolution) }
    guard isOfSinglePixels, roundsRowsAlike, shape[0] > 1 else { return convolution(self) }
    return Tensor.cat(
      (0..<shape[0]).map { convolution(narrowed(dim: 0, start: $0, length: 1)) }, dim: 0)
  }

  /// On CPUs and in float32 rows are meant to round alike.
  private var roundsRowsAlike: Bool { device == .cpu && dtype == .float32 }
}
