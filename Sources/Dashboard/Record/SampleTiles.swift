import Foundation
import Foundations
import ImageFiles
import Runs

/// The tiles of a sample grid.
struct SampleTiles {
  let sheet: SampleSheet
  /// One PNG data URI per sample of the sheet.
  let links: [String]
  /// The same for the source images; empty for samples without.
  let sources: [String]

  /// Cuts `grid` into the tiles of its sheet.
  ///
  /// - Parameters:
  ///   - sources: the grid of the source images, if there is one.
  ///   - path: of the grid, for errors.
  /// - Throws: `ReportError.sheetMismatch` when a tile lies outside the grid.
  init(
    sheet: SampleSheet, grid: PixelBuffer, sources: PixelBuffer? = nil, path: String
  ) throws(ReportError) {
    self.sheet = sheet
    links = try Self.links(sheet, grid, path)
    self.sources =
      try sources.map { grid throws(ReportError) in
        try Self.links(sheet, grid, "\(path): \(sheet.sources ?? "")")
      } ?? []
  }

  private static func links(
    _ sheet: SampleSheet, _ grid: PixelBuffer, _ path: String
  ) throws(ReportError) -> [String] {
    guard sheet.columns >= 1, sheet.tileWidth >= 1, sheet.tileHeight >= 1, sheet.gutter >= 0 else {
      throw .sheetMismatch(path: path, reason: "its sheet has tiles without a size")
    }
    guard [sheet.columns, sheet.tileWidth, sheet.gutter].allSatisfy({ $0 <= grid.width }),
      [sheet.tileHeight, sheet.gutter].allSatisfy({ $0 <= grid.height })
    else {
      throw .sheetMismatch(path: path, reason: "its sheet has tiles larger than the image")
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
    return links
  }

  /// The sample grids with the fewest and with the most epochs in a folder; one when they are the
  /// same, none when there is no grid with its sheet.
  static func ends(of folder: String) throws(ReportError) -> [SampleTiles] {
    guard RunFiles.exists(folder) else { return [] }
    let names: [String]
    do throws(FileError) {
      names = try FileTree.names(in: folder)
    } catch {
      throw .run(.file(error))
    }
    var sheets: [(path: String, sheet: SampleSheet)] = []
    for name in names where name.hasSuffix(".json") && !name.hasPrefix(".") {
      let path = "\(folder)/\(name)"
      guard let sheet = try RunFiles.record(SampleSheet.self, path) else { continue }
      let grid = String(path.dropLast(5)) + ".png"
      if RunFiles.exists(grid) { sheets.append((grid, sheet)) }
    }
    guard let first = sheets.min(by: { $0.sheet.epoch < $1.sheet.epoch }),
      let last = sheets.max(by: { $0.sheet.epoch < $1.sheet.epoch })
    else { return [] }
    let ends = first.sheet.epoch == last.sheet.epoch ? [last] : [first, last]
    return try ends.map { end throws(ReportError) in
      let image: PixelBuffer
      var sources: PixelBuffer?
      do throws(ImageFileError) {
        image = try PNG.read(end.path)
        if let name = end.sheet.sources, RunFiles.exists("\(folder)/\(name)") {
          sources = try PNG.read("\(folder)/\(name)")
        }
      } catch {
        throw .image(error)
      }
      return try SampleTiles(sheet: end.sheet, grid: image, sources: sources, path: end.path)
    }
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

extension SampleSheet {
  /// Whether an enlarged tile shows its pixels: those of larger ones are photographs.
  var hasSmallTiles: Bool { tileWidth <= 96 }
}
