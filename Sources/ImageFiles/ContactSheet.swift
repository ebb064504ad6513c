/// Small images laid out in a grid, row by row from the top left.
package struct ContactSheet: Sendable {
  /// Images per row, at least 1.
  package var columns: Int
  /// Pixels between neighboring images and around the grid, after enlarging.
  package var gutter: Int
  /// Whole factor by which every image is enlarged (nearest neighbor).
  package var scale: Int
  /// Gray level of the gutters and of unused cells, 0...255.
  package var gutterLevel: UInt8

  package init(columns: Int, gutter: Int = 2, scale: Int = 1, gutterLevel: UInt8 = 96) {
    precondition(columns >= 1 && gutter >= 0 && scale >= 1, "a sheet needs columns and a scale")
    self.columns = columns
    self.gutter = gutter
    self.scale = scale
    self.gutterLevel = gutterLevel
  }

  /// The sheet of `images` (at least one, all of one size).
  package func image(of images: [PixelBuffer]) -> PixelBuffer {
    precondition(!images.isEmpty, "a sheet needs at least one image")
    let cellWidth = images[0].width * scale
    let cellHeight = images[0].height * scale
    let rows = (images.count + columns - 1) / columns
    var sheet = PixelBuffer(
      width: columns * (cellWidth + gutter) + gutter,
      height: rows * (cellHeight + gutter) + gutter,
      red: gutterLevel, green: gutterLevel, blue: gutterLevel)
    for (index, image) in images.enumerated() {
      precondition(
        image.width == images[0].width && image.height == images[0].height,
        "the images of a sheet have one size")
      sheet.paste(
        image.enlarged(by: scale),
        x: gutter + (index % columns) * (cellWidth + gutter),
        y: gutter + (index / columns) * (cellHeight + gutter))
    }
    return sheet
  }
}
