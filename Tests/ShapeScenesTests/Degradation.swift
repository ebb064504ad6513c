import Foundations
import ImageFiles
import ShapeScenes

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension PixelBuffer {
  /// The image after a Gaussian blur of this standard deviation in pixels.
  func blurred(_ sigma: Float) -> PixelBuffer {
    let weights = (-3...3).map { expf(-Float($0 * $0) / (2 * sigma * sigma)) }
    let total = weights.reduce(0, +)
    func pass(_ source: [Float], dx: Int, dy: Int) -> [Float] {
      var result = source
      for y in 0..<height {
        for x in 0..<width {
          for channel in 0..<3 {
            var sum: Float = 0
            for offset in -3...3 {
              let column = min(max(x + offset * dx, 0), width - 1)
              let row = min(max(y + offset * dy, 0), height - 1)
              sum += weights[offset + 3] * source[(row * width + column) * 3 + channel]
            }
            result[(y * width + x) * 3 + channel] = sum / total
          }
        }
      }
      return result
    }
    let values = pass(pass(pixels.map(Float.init), dx: 1, dy: 0), dx: 0, dy: 1)
    return PixelBuffer(width: width, height: height, pixels: values.map(clampedByte))
  }

  /// The image with Gaussian noise of this standard deviation (0...255) on every channel.
  func noisy(_ deviation: Float, using generator: inout SplitMix64) -> PixelBuffer {
    var result = self
    for index in result.pixels.indices {
      let first = Float(generator.next() >> 40) * 0x1p-24 + 0x1p-25
      let second = Float(generator.next() >> 40) * 0x1p-24
      let normal = sqrtf(-2 * logf(first)) * cosf(2 * .pi * second)
      result.pixels[index] = clampedByte(Float(result.pixels[index]) + deviation * normal)
    }
    return result
  }
}

private func clampedByte(_ value: Float) -> UInt8 { UInt8(min(max(value.rounded(), 0), 255)) }
