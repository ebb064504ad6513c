/// An 8-bit RGB image in memory.
///
/// `pixels` is row-major `[height, width, 3]`, red first, 0...255 in the sRGB encoding of the file;
/// row 0 is the top.
package struct PixelBuffer: Hashable, Sendable {
  /// Pixels per row, at least 1.
  package let width: Int
  /// Rows, at least 1.
  package let height: Int
  /// `height * width * 3` bytes.
  package var pixels: [UInt8]

  /// An image of one color, each channel 0...255.
  package init(
    width: Int, height: Int, red: UInt8 = 0, green: UInt8 = 0, blue: UInt8 = 0
  ) {
    precondition(width > 0 && height > 0, "an image needs at least one pixel")
    self.width = width
    self.height = height
    pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
      for index in 0..<(width * height) {
        buffer[index * 3] = red
        buffer[index * 3 + 1] = green
        buffer[index * 3 + 2] = blue
      }
      count = width * height * 3
    }
  }

  /// An image from its bytes, `[height, width, 3]` row-major.
  package init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image needs at least one pixel")
    precondition(
      pixels.count == width * height * 3,
      "\(width) x \(height) RGB needs \(width * height * 3) bytes, got \(pixels.count)")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// The three channels of the pixel in column `x` of row `y`, 0...255.
  package subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
    get {
      let offset = (y * width + x) * 3
      return (pixels[offset], pixels[offset + 1], pixels[offset + 2])
    }
    set {
      let offset = (y * width + x) * 3
      pixels[offset] = newValue.red
      pixels[offset + 1] = newValue.green
      pixels[offset + 2] = newValue.blue
    }
  }

  /// Copies the whole of `image` so that its top left pixel lands on column `x` of row `y`.
  package mutating func paste(_ image: PixelBuffer, x: Int, y: Int) {
    precondition(
      x >= 0 && y >= 0 && x + image.width <= width && y + image.height <= height,
      "the pasted image must lie inside the target")
    let row = image.width * 3
    for line in 0..<image.height {
      let target = ((y + line) * width + x) * 3
      let source = line * row
      pixels.replaceSubrange(target..<(target + row), with: image.pixels[source..<(source + row)])
    }
  }

  /// The image with every pixel repeated `factor` times in both directions.
  package func enlarged(by factor: Int) -> PixelBuffer {
    precondition(factor >= 1, "an image is enlarged by a whole factor of at least 1")
    if factor == 1 { return self }
    let wide = width * factor
    var bytes: [UInt8] = []
    bytes.reserveCapacity(wide * height * factor * 3)
    for y in 0..<height {
      var row: [UInt8] = []
      row.reserveCapacity(wide * 3)
      for x in 0..<width {
        let offset = (y * width + x) * 3
        for _ in 0..<factor { row += pixels[offset..<(offset + 3)] }
      }
      for _ in 0..<factor { bytes += row }
    }
    return PixelBuffer(width: wide, height: height * factor, pixels: bytes)
  }
}

extension PixelBuffer {
  /// The image at most `side` pixels wide and high: every pixel is the mean of a square block of
  /// the original. An image that fits is returned as it is; columns and rows of incomplete blocks
  /// are left out.
  package func reduced(toFit side: Int) -> PixelBuffer {
    let factor = (max(width, height) + side - 1) / side
    guard factor > 1 else { return self }
    var result = PixelBuffer(width: max(1, width / factor), height: max(1, height / factor))
    let columns = min(factor, width)
    let rows = min(factor, height)
    for y in 0..<result.height {
      for x in 0..<result.width {
        for channel in 0..<3 {
          var sum = 0
          for row in 0..<rows {
            let start = ((y * factor + row) * width + x * factor) * 3 + channel
            for column in 0..<columns { sum += Int(pixels[start + column * 3]) }
          }
          let count = rows * columns
          result.pixels[(y * result.width + x) * 3 + channel] = UInt8((sum + count / 2) / count)
        }
      }
    }
    return result
  }
}
