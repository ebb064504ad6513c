import ImageFiles
import Runs

/// A sample grid cut back into its tiles.
struct SampleTiles {
  let sheet: SampleSheet
  /// One PNG data URI per sample of the sheet.
  let links: [String]

  /// Cuts `grid` as its sheet says. Throws when the grid is smaller than the sheet's tiles need.
  init(sheet: SampleSheet, grid: PixelBuffer, path: String) throws(ReportError) {
    self.sheet = sheet
    guard sheet.columns >= 1, sheet.tileWidth >= 1, sheet.tileHeight >= 1, sheet.gutter >= 0 else {
      throw .sheetMismatch(path: path, reason: "its sheet has tiles without a size")
    }
    var links: [String] = []
    for index in sheet.samples.indices {
      let x = sheet.gutter + index % sheet.columns * (sheet.tileWidth + sheet.gutter)
      let y = sheet.gutter + index / sheet.columns * (sheet.tileHeight + sheet.gutter)
      guard x + sheet.tileWidth <= grid.width, y + sheet.tileHeight <= grid.height else {
        throw .sheetMismatch(
          path: path, reason: "tile \(index) of \(sheet.samples.count) lies outside the image")
      }
      let tile = SampleTiles.crop(
        grid, x: x, y: y, width: sheet.tileWidth, height: sheet.tileHeight)
      do {
        links.append(DataLink.png(try PNG.encode(tile)))
      } catch {
        throw .image(error)
      }
    }
    self.links = links
  }

  private static func crop(
    _ image: PixelBuffer, x: Int, y: Int, width: Int, height: Int
  ) -> PixelBuffer {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for row in y..<(y + height) {
      let start = (row * image.width + x) * 3
      pixels += image.pixels[start..<(start + width * 3)]
    }
    return PixelBuffer(width: width, height: height, pixels: pixels)
  }
}
