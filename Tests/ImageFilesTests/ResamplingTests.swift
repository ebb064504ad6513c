import Foundation
import ImageFiles
import TestSupport
import Testing

@Suite struct ResamplingTests {
  /// Sizes and the checksums of Pillow's results (`Tools/fixtures/resize.py`).
  private struct Expected: Decodable {
    let from: [Int]
    let to: [Int]
    let lanczos: String
    let bilinear: String
    let bicubic: String
  }

  @Test func `resized images of fifty sizes equal Pillow's byte for byte`() throws {
    let data = try Data(contentsOf: URL(filePath: fixture("images/resize.json")))
    let cases = try JSONDecoder().decode([Expected].self, from: data)
    #expect(cases.count == 50)
    for expected in cases {
      let image = picture(width: expected.from[0], height: expected.from[1])
      func sum(_ filter: ResamplingFilter) -> String {
        checksum(image.resized(width: expected.to[0], height: expected.to[1], filter: filter))
      }
      #expect(sum(.lanczos) == expected.lanczos, "lanczos, \(expected.from) to \(expected.to)")
      #expect(sum(.bilinear) == expected.bilinear, "bilinear, \(expected.from) to \(expected.to)")
      #expect(sum(.bicubic) == expected.bicubic, "bicubic, \(expected.from) to \(expected.to)")
    }
  }

  @Test func `a center crop cuts the larger half of an odd margin at the right and the bottom`() {
    let image = picture(width: 8, height: 5)
    let middle = image.centerCropped(side: 3)
    #expect(middle.width == 3 && middle.height == 3)
    for y in 0..<3 {
      for x in 0..<3 { #expect(middle[x, y] == image[x + 2, y + 1]) }
    }
    #expect(image.centerCropped(side: 5).height == 5)
  }

  /// Noise on a chessboard of black and white fields.
  private func picture(width: Int, height: Int) -> PixelBuffer {
    var image = PixelBuffer(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<3 {
          let index = (y * width + x) * 3 + channel
          let field = (x / 8 + y / 8) % 4
          image.pixels[index] =
            field % 2 == 0
            ? UInt8(truncatingIfNeeded: (UInt32(index) &* 2_654_435_761) >> 24)
            : UInt8(field / 2 * 255)
        }
      }
    }
    return image
  }

  /// 64-bit FNV-1a.
  private func checksum(_ image: PixelBuffer) -> String {
    let sum = image.pixels.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    let digits = String(sum, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
