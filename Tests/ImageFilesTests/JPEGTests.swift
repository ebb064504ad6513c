import Foundation
import ImageFiles
import TestSupport
import Testing

@Suite struct JPEGTests {
  /// An image from a formula and the size of Pillow's file (`Tools/fixtures/jpeg.py`).
  private struct Expected: Decodable {
    let width: Int
    let height: Int
    let busyness: Int
    let bytes: Int

    var image: PixelBuffer {
      var image = PixelBuffer(width: width, height: height)
      for y in 0..<height {
        for x in 0..<width {
          image[x, y] = (
            UInt8((x * busyness + y) % 256), UInt8((y * busyness + 3 * x) % 256),
            UInt8((x * y * busyness / 16) % 256)
          )
        }
      }
      return image
    }
  }

  @Test func `file sizes equal Pillow's within one percent`() throws {
    let data = try Data(contentsOf: URL(filePath: fixture("images/jpeg_sizes.json")))
    let cases = try JSONDecoder().decode([Expected].self, from: data)
    #expect(cases.count == 18)
    for expected in cases {
      let size = try JPEG.encode(expected.image, quality: 95).count
      #expect(
        abs(Double(size) / Double(expected.bytes) - 1) <= 0.01,
        "\(expected.width) x \(expected.height), busyness \(expected.busyness)")
    }
  }

  @Test func `lower quality gives smaller files that begin and end like JPEG files`() throws {
    let image = PixelBuffer(width: 40, height: 24, red: 200, green: 10, blue: 90)
    let good = try JPEG.encode(image, quality: 95)
    #expect(good.prefix(3) == [0xFF, 0xD8, 0xFF])
    #expect(good.suffix(2) == [0xFF, 0xD9])
    #expect(try JPEG.encode(image, quality: 20).count < good.count)
  }

  @Test func `an image larger than the format allows is an error`() {
    let error = #expect(throws: ImageFileError.self) {
      try JPEG.encode(PixelBuffer(width: 70_000, height: 1), quality: 95)
    }
    #expect(error?.description.hasPrefix("the image cannot be written as JPEG") == true)
  }
}
