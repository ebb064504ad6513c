import ImageFiles
import Testing

@Suite struct ReducedTests {
  @Test func `an image that fits is returned unchanged`() {
    let image = PixelBuffer(width: 32, height: 20, red: 3, green: 5, blue: 7)
    #expect(image.reduced(toFit: 32) == image)
  }

  @Test func `every pixel is the rounded mean of its block`() {
    var image = PixelBuffer(width: 4, height: 2)
    for (index, value) in [10, 20, 100, 101, 30, 41, 102, 103].enumerated() {
      image[index % 4, index / 4] = (UInt8(value), UInt8(2 * value), 255)
    }
    let small = image.reduced(toFit: 2)
    #expect(small.width == 2 && small.height == 1)
    #expect(small.pixels == [25, 51, 255, 102, 203, 255])
  }

  @Test func `incomplete blocks are left out and a thin image keeps a row`() {
    let image = PixelBuffer(width: 513, height: 5, red: 9, green: 8, blue: 7)
    let small = image.reduced(toFit: 64)
    #expect(small == PixelBuffer(width: 57, height: 1, red: 9, green: 8, blue: 7))
  }
}
