internal import Foundation
internal import Runs

/// A picture of samples before and after training: the same prompts and seeds, one column each. The
/// source images of an edit are above them.
///
/// The samples are spread evenly over the sample grid. Under an image are reward and verdict.
struct SampleStrip {
  /// The sample grid before training.
  let before: SampleTiles
  /// The last sample grid.
  let after: SampleTiles

  /// Most columns.
  private static let most = 8
  private static let gap = 12.0
  private static let left = 52.0
  private static let top = 8.0
  private static let mark = 20.0
  private static let lineHeight = 14.0
  private static let captionLines = 6

  /// Side of an image: small ones are enlarged, large ones reduced.
  private var tile: Double { Double(min(max(104, after.sheet.tileWidth), 192)) }
  /// Letters of a caption's line.
  private var lineLength: Int { Int(tile * 18 / 104) }

  private struct Column {
    let before: SampleSheet.Sample
    let after: SampleSheet.Sample
    /// The images from the top: a source image, if there is one, before, after.
    let rows: [(link: String, sample: SampleSheet.Sample?)]
    /// Lines of the caption.
    let caption: [String]
  }

  /// The picture as the contents of an SVG file; nil when no sample is in both grids.
  func file() -> String? {
    let columns = columns
    guard !columns.isEmpty else { return nil }
    let lines = Double(columns.map(\.caption.count).max() ?? 0)
    let names = after.sources.isEmpty ? ["before", "after"] : ["source", "before", "after"]
    let captionTop = Self.top + Double(names.count) * (tile + Self.mark)
    let picture = Shape.picture(
      id: "samples", width: Self.left + Double(columns.count) * (tile + Self.gap),
      height: captionTop + lines * Self.lineHeight + 6,
      title: "The same prompts and seeds before and after training",
      description: columns.map(Self.description).joined(separator: " "), standalone: true
    ) {
      for (row, name) in names.enumerated() {
        Shape.label("quiet", Self.left - 8, middle(Double(row)), name, anchor: "end")
      }
      for (index, column) in columns.enumerated() {
        draw(column, x: Self.left + Double(index) * (tile + Self.gap), captionTop)
      }
    }
    return picture.rendered() + "\n"
  }

  /// Samples with the same prompt and seed in both grids.
  private var columns: [Column] {
    let count = min(before.sheet.samples.count, after.sheet.samples.count)
    let shown = min(Self.most, count)
    return (0..<shown).map { $0 * count / shown }.compactMap { index in
      let (first, last) = (before.sheet.samples[index], after.sheet.samples[index])
      guard first.prompt == last.prompt, first.seed == last.seed else { return nil }
      return Column(
        before: first, after: last,
        rows: (after.sources.isEmpty ? [] : [(after.sources[index], nil)])
          + [(before.links[index], first), (after.links[index], last)],
        caption: Lettering.wrapped(first.prompt, lineLength, lines: Self.captionLines))
    }
  }

  private func middle(_ row: Double) -> Double {
    Self.top + row * (tile + Self.mark) + tile / 2 + 4
  }

  private func draw(_ column: Column, x: Double, _ captionTop: Double) -> Markup {
    element("g") {
      for (row, content) in column.rows.enumerated() {
        image(
          content.link, content.sample,
          (x, Self.top + Double(row) * (tile + Self.mark)))
      }
      for (line, text) in column.caption.enumerated() {
        Shape.label(
          "quiet", x, captionTop + Double(line + 1) * Self.lineHeight - 4, text, anchor: "start")
      }
    }
  }

  private func image(
    _ link: String, _ sample: SampleSheet.Sample?, _ corner: (x: Double, y: Double)
  ) -> Markup {
    let style = sample?.passed.map { $0 ? "good" : "bad" } ?? "even"
    let verdict = sample?.passed.map { $0 ? "✓" : "✗" } ?? ""
    let reward = sample?.reward.map { Figures.fixed($0, 3) } ?? ""
    let side = Figures.coordinate(tile)
    return element("g", ["class": style]) {
      element(
        "image",
        [
          "href": link, "x": Figures.coordinate(corner.x), "y": Figures.coordinate(corner.y),
          "width": side, "height": side,
          "style": after.sheet.hasSmallTiles ? "image-rendering:pixelated" : "image-rendering:auto",
        ])
      Shape.label(
        "score", corner.x, corner.y + tile + 13, "\(reward) \(verdict)", anchor: "start")
    }
  }

  private static func description(_ column: Column) -> String {
    func verdict(_ sample: SampleSheet.Sample) -> String {
      sample.passed.map { $0 ? "passed" : "failed" } ?? "no verdict"
    }
    return "\(column.before.prompt): \(verdict(column.before)) before, "
      + "\(verdict(column.after)) after."
  }
}
