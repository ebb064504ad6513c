import Foundation

/// Pillow's filters; the raw values are Pillow's numbers, as in `preprocessor_config.json`.
package enum ResamplingFilter: Int, CaseIterable, Sendable {
  case lanczos = 1
  case bilinear = 2
  case bicubic = 3
}

extension PixelBuffer {
  /// The image scaled to `width` x `height`, byte for byte as `Image.resize` of Pillow 13: rows and
  /// columns one after the other, each with a filter whose width follows the reduction
  /// (antialiased), fixed-point weights, and rounding to 8 bits in between.
  ///
  /// Rows come first unless the height shrinks by more than twice as many pixels as the width.
  /// Before version 13, Pillow always began with the rows; the bytes are the same where the
  /// reduction keeps proportions of up to 1 : 2.
  package func resized(width: Int, height: Int, filter: ResamplingFilter) -> PixelBuffer {
    precondition(width > 0 && height > 0, "an image needs at least one pixel")
    if height < self.height && self.height - height > 2 * (self.width - width) {
      return resampledColumns(to: height, filter).resampledRows(to: width, filter)
    }
    return resampledRows(to: width, filter).resampledColumns(to: height, filter)
  }

  /// The image in the middle of a black square; where the margin is odd, the larger half is on the
  /// right and at the bottom.
  package func padded(side: Int) -> PixelBuffer {
    precondition(width <= side && height <= side, "the image must lie inside the square")
    let (left, top) = ((side - width) / 2, (side - height) / 2)
    var bytes = [UInt8](repeating: 0, count: side * side * 3)
    for y in 0..<height {
      let start = ((top + y) * side + left) * 3
      bytes.replaceSubrange(
        start..<(start + width * 3), with: pixels[(y * width * 3)..<((y + 1) * width * 3)])
    }
    return PixelBuffer(width: side, height: side, pixels: bytes)
  }

  /// The middle `side` x `side` pixels; where the margin is odd, the larger half is cut from the
  /// right and the bottom, as transformers does.
  package func centerCropped(side: Int) -> PixelBuffer {
    precondition(side <= width && side <= height, "the crop must lie inside the image")
    let left = (width - side) / 2
    let top = (height - side) / 2
    var bytes: [UInt8] = []
    bytes.reserveCapacity(side * side * 3)
    for y in top..<(top + side) {
      let start = (y * width + left) * 3
      bytes += pixels[start..<(start + side * 3)]
    }
    return PixelBuffer(width: side, height: side, pixels: bytes)
  }

  private func resampledRows(to newWidth: Int, _ filter: ResamplingFilter) -> PixelBuffer {
    if newWidth == width { return self }
    let taps = ResamplingTaps(from: width, to: newWidth, filter)
    let count = newWidth * height * 3
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
      pixels.withUnsafeBufferPointer { input in
        for y in 0..<height {
          for x in 0..<newWidth {
            var source = (y * width + taps.starts[x]) * 3
            var (red, green, blue) = (ResamplingTaps.half, ResamplingTaps.half, ResamplingTaps.half)
            for weight in taps.weights[x] {
              red &+= Int32(input[source]) &* weight
              green &+= Int32(input[source + 1]) &* weight
              blue &+= Int32(input[source + 2]) &* weight
              source += 3
            }
            let target = (y * newWidth + x) * 3
            output[target] = ResamplingTaps.byte(red)
            output[target + 1] = ResamplingTaps.byte(green)
            output[target + 2] = ResamplingTaps.byte(blue)
          }
        }
      }
      initialized = count
    }
    return PixelBuffer(width: newWidth, height: height, pixels: bytes)
  }

  private func resampledColumns(to newHeight: Int, _ filter: ResamplingFilter) -> PixelBuffer {
    if newHeight == height { return self }
    let taps = ResamplingTaps(from: height, to: newHeight, filter)
    let row = width * 3
    let count = row * newHeight
    var sums = [Int32](repeating: 0, count: row)
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
      pixels.withUnsafeBufferPointer { input in
        sums.withUnsafeMutableBufferPointer { sums in
          for y in 0..<newHeight {
            sums.update(repeating: ResamplingTaps.half)
            for (line, weight) in taps.weights[y].enumerated() {
              let source = (taps.starts[y] + line) * row
              for index in 0..<row { sums[index] &+= Int32(input[source + index]) &* weight }
            }
            for index in 0..<row { output[y * row + index] = ResamplingTaps.byte(sums[index]) }
          }
        }
      }
      initialized = count
    }
    return PixelBuffer(width: width, height: newHeight, pixels: bytes)
  }
}

/// The source pixels of each pixel of a scaled line and their weights, as in Pillow's `Resample.c`:
/// computed in double precision, then rounded to 22 fractional bits.
private struct ResamplingTaps {
  private static let fractionBits: Int32 = 22
  /// One half: the shift then rounds to nearest instead of down.
  static let half: Int32 = 1 << (fractionBits - 1)

  /// The first pixel of each sum.
  private(set) var starts: [Int] = []
  /// The weights of the pixels from that one on.
  private(set) var weights: [[Int32]] = []

  init(from size: Int, to newSize: Int, _ filter: ResamplingFilter) {
    let scale = Double(size) / Double(newSize)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    for index in 0..<newSize {
      let center = (Double(index) + 0.5) * scale
      let start = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), size)
      let values = (start..<end).map { filter((Double($0) - center + 0.5) * (1 / stretch)) }
      let total = values.reduce(0, +)
      starts.append(start)
      weights.append(
        values.map { value in
          let weight = (total == 0 ? value : value / total) * Double(1 << Self.fractionBits)
          return Int32(weight + (weight < 0 ? -0.5 : 0.5))
        })
    }
  }

  /// The byte nearest to a sum, 0...255.
  static func byte(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> fractionBits) }
}

extension ResamplingFilter {
  /// Half the filter's width, in pixels of an unreduced image.
  fileprivate var support: Double {
    switch self {
    case .lanczos: 3
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The filter's value at `position` pixels from its middle; bicubic is Keys' with a = -0.5.
  fileprivate func callAsFunction(_ position: Double) -> Double {
    let x = abs(position)
    switch self {
    case .bilinear: return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    case .lanczos: return -3 <= position && position < 3 ? sinc(position) * sinc(position / 3) : 0
    }
  }
}

private func sinc(_ x: Double) -> Double {
  if x == 0 { return 1 }
  return sin(x * .pi) / (x * .pi)
}
