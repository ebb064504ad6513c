/// The prompts, seeds and rewards of the tiles of one sample grid: `NAME.json` beside
/// `samples/NAME.png`.
///
/// The grid is a contact sheet of equal tiles, row by row, with `gutter` pixels around and between
/// them: tile i starts at column gutter + (i % columns) * (tile_width + gutter) and row
/// gutter + (i / columns) * (tile_height + gutter). Grids made from the same prompts and seeds
/// (`before`, `epoch-0010`, `after`) line up tile by tile.
package struct SampleSheet: Codable, Equatable, Sendable {
  /// One tile.
  package struct Sample: Codable, Equatable, Sendable {
    /// The prompt.
    package var prompt: String
    /// The prompt's tag, such as `counting`; nil when prompts have none.
    package var tag: String?
    /// Seed of the initial noise.
    package var seed: UInt64
    /// Training reward; nil when the image has no score.
    package var reward: Double?
    /// Whether the image fulfills the whole prompt; nil for a reward without such a verdict.
    package var passed: Bool?

    /// Makes a sample.
    package init(prompt: String, tag: String?, seed: UInt64, reward: Double?, passed: Bool?) {
      self.prompt = prompt
      self.tag = tag
      self.seed = seed
      self.reward = reward
      self.passed = passed
    }
  }

  private enum CodingKeys: String, CodingKey {
    case epoch, columns, gutter, samples, sources
    case tileWidth = "tile_width"
    case tileHeight = "tile_height"
  }

  /// Epochs completed when the samples were made; 0 is the untrained model.
  package var epoch: Int
  /// Tiles per row.
  package var columns: Int
  /// Pixels.
  package var tileWidth: Int
  /// Pixels.
  package var tileHeight: Int
  /// Pixels between neighboring tiles and around the grid.
  package var gutter: Int
  /// Tiles in row order.
  package var samples: [Sample]

  /// The file of a grid with the source image of each sample in its place, for an editing model;
  /// nil for samples without.
  package var sources: String?

  /// Makes a sheet.
  package init(
    epoch: Int, columns: Int, tileWidth: Int, tileHeight: Int, gutter: Int, samples: [Sample],
    sources: String? = nil
  ) {
    self.sources = sources
    self.epoch = epoch
    self.columns = columns
    self.tileWidth = tileWidth
    self.tileHeight = tileHeight
    self.gutter = gutter
    self.samples = samples
  }
}
