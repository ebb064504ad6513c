internal import DiffusionModels
internal import Foundation
internal import Foundations
internal import ImageFiles
internal import Rewards
internal import Runs
internal import TempFlow

/// Writes the sample grids: `samples/NAME.png` and its `.json`, from the same prompts and noises
/// every time.
struct SampleWriter {
  let recipe: EvaluationRecipe
  /// The folder `samples`.
  let folder: String

  private static let columns = 8
  /// Pixels between the tiles.
  private static let gutter = 2

  /// The grid of the source images.
  private static let sources = "sources.png"

  /// Writes a grid of evenly spaced evaluation images, and the grid of their source images, which
  /// is the same every time.
  ///
  /// - Parameters:
  ///   - epoch: epochs completed.
  ///   - isLast: whether no further epoch follows.
  /// - Throws: a file error.
  func write(_ evaluation: HeldOutEvaluation, epoch: Int, isLast: Bool) throws {
    let path = "\(folder)/\(name(epoch, isLast))"
    let tiles = evaluation.tiles.map(\.image)
    let chosen = evaluation.tiles.map(\.prompt)
    let columns = max(1, min(tiles.count, Self.columns))
    // An evaluation's prompts have a source image each, or none has.
    let sources = chosen.compactMap { evaluation.sources[$0].first?.tile }
    let sheet = SampleSheet(
      epoch: epoch, columns: columns, tileWidth: tiles[0].width, tileHeight: tiles[0].height,
      gutter: Self.gutter, samples: chosen.map { sample($0, of: evaluation) },
      sources: sources.isEmpty ? nil : Self.sources)
    let layout = ContactSheet(columns: columns, gutter: Self.gutter)
    try PNG.write(layout.image(of: tiles), to: path + ".png")
    if !sources.isEmpty {
      try PNG.write(layout.image(of: sources), to: "\(folder)/\(Self.sources)")
    }
    try AtomicFile.write(json: sheet, to: path + ".json")
  }

  /// `before`, `epoch-0010` or `after`.
  private func name(_ epoch: Int, _ isLast: Bool) -> String {
    if epoch == 0 { return "before" }
    if isLast { return "after" }
    let digits = String(epoch)
    return "epoch-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  private func sample(_ index: Int, of evaluation: HeldOutEvaluation) -> SampleSheet.Sample {
    let prompt = evaluation.prompts[index]
    return SampleSheet.Sample(
      prompt: prompt.text, tag: prompt.tag, seed: seed(ofImage: index),
      reward: evaluation.training.weighted[index],
      passed: evaluation.verdicts?.values[index].map { $0 == 1 })
  }

  /// The seed of an evaluation image's initial noise, as `ImageSampling` draws it.
  private func seed(ofImage index: Int) -> UInt64 {
    noiseSeed(run: recipe.seed, epoch: 0, prompt: index, seed: 0, step: -1, branch: 0)
  }
}

extension PixelBuffer {
  /// The image with sides of at most 256 pixels: a report embeds dozens.
  var tile: PixelBuffer { reduced(toFit: 256) }
}

extension Result<PixelBuffer, NonFiniteImage> {
  /// The image, or plain gray where there is none.
  func picture(_ size: ImageSize) -> PixelBuffer {
    if case .success(let image) = self { return image }
    return .gray(size)
  }
}

extension PixelBuffer {
  /// An image of one gray.
  static func gray(_ size: ImageSize) -> PixelBuffer {
    PixelBuffer(
      width: size.width, height: size.height,
      pixels: Array(repeating: 128, count: size.width * size.height * 3))
  }
}

extension AtomicFile {
  /// Writes a value as indented JSON with sorted keys.
  static func write(json value: some Encodable, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try write(try encoder.encode(value) + Data("\n".utf8), to: path)
  }
}
