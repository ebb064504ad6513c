import ImageFiles
import Testing

@Suite struct PNGTests {
  @Test func `an image comes back from its PNG bytes as it was`() throws {
    var image = PixelBuffer(width: 3, height: 2, red: 10, green: 20, blue: 30)
    image[2, 1] = (255, 0, 128)
    #expect(try PNG.decode(PNG.encode(image)) == image)
  }
}
