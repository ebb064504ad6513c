import ImageFiles
import TestSupport
import Testing
import Training

@Suite struct ImageFolderTests {
  @Test func `numbers in names compare as numbers`() throws {
    let order = [
      "0.png", "1.png", "02.png", "2.png", "9.png", "10.png", "11.png", "100.png",
      "18446744073709551615.png", "18446744073709551616.png", "a-2-b-10.png", "a-10-b-9.png",
      "a-10-b-10.png", "a.png", "a1.png", "b.png",
    ]
    #expect(order.shuffled().sorted(by: numberAwareOrder) == order)
    try withTemporaryFolder { folder in
      for number in (0..<12).reversed() {
        try PNG.write(
          PixelBuffer(width: 1, height: 1, red: UInt8(20 * number)), to: "\(folder)/\(number).png")
      }
      let images = try ImageFolder.read(folder)
      #expect(images.map(\.name) == (0..<12).map { "\($0).png" })
      #expect(images.map { $0.image[0, 0].red } == (0..<12).map { UInt8(20 * $0) })
    }
  }

  @Test func `the names of sampled images sort by bytes for any count`() {
    #expect(ImageFolder.names(count: 2) == ["0000.png", "0001.png"])
    for count in [0, 10_000, 10_001, 100_001] {
      let names = ImageFolder.names(count: count)
      #expect(names == names.sorted() && names.count == count)
    }
    #expect(ImageFolder.names(count: 10_001).last == "10000.png")
    #expect(ImageFolder.names(count: 10_001).first == "00000.png")
  }
}
