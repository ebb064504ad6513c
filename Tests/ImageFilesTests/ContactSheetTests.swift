import ImageFiles
import Testing

@Suite struct ContactSheetTests {
  private func plain(_ level: UInt8) -> PixelBuffer {
    PixelBuffer(width: 2, height: 1, red: level, green: 0, blue: 0)
  }

  @Test func `images are placed row by row with gutters between and around them`() {
    let sheet = ContactSheet(columns: 2, gutter: 1, gutterLevel: 9)
      .image(of: [plain(10), plain(20), plain(30)])
    #expect(sheet.width == 7 && sheet.height == 5)
    let rows = (0..<5).map { y in (0..<7).map { sheet[$0, y].red } }
    #expect(
      rows == [
        [9, 9, 9, 9, 9, 9, 9],
        [9, 10, 10, 9, 20, 20, 9],
        [9, 9, 9, 9, 9, 9, 9],
        [9, 30, 30, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9],
      ])
  }

  @Test func `scaling repeats pixels and keeps the gutter's width`() {
    let sheet = ContactSheet(columns: 1, gutter: 1, scale: 3, gutterLevel: 9)
      .image(of: [plain(10)])
    #expect(sheet.width == 8 && sheet.height == 5)
    #expect((0..<8).map { sheet[$0, 2].red } == [9, 10, 10, 10, 10, 10, 10, 9])
  }

  @Test func `without gutters the images touch`() {
    let sheet = ContactSheet(columns: 2, gutter: 0).image(of: [plain(1), plain(2)])
    #expect((0..<4).map { sheet[$0, 0].red } == [1, 1, 2, 2])
    #expect(sheet.height == 1)
  }

  @Test func `enlarging by one changes nothing and by two doubles every pixel`() {
    var image = PixelBuffer(width: 2, height: 1)
    image[0, 0] = (1, 2, 3)
    image[1, 0] = (4, 5, 6)
    #expect(image.enlarged(by: 1) == image)
    let row: [UInt8] = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]
    #expect(image.enlarged(by: 2) == PixelBuffer(width: 4, height: 2, pixels: row + row))
  }

  @Test func `pasting changes only the pixels under the pasted image`() {
    var image = PixelBuffer(width: 4, height: 3, red: 5, green: 5, blue: 5)
    image.paste(PixelBuffer(width: 2, height: 2, red: 7, green: 8, blue: 9), x: 1, y: 1)
    let changed = (0..<3).map { y in (0..<4).map { image[$0, y] == (7, 8, 9) } }
    #expect(
      changed == [
        [false, false, false, false], [false, true, true, false], [false, true, true, false],
      ])
  }
}
