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

  /// Shows the grid of a run's last epoch as `after`, where it was made before that was known to be
  /// the last one.
  ///
  /// - Throws: a file error.
  func showAsLast(epoch: Int) throws {
    let (last, made) = ("\(folder)/\(name(epoch, true))", "\(folder)/\(name(epoch, false))")
    guard last != made, sheet(last)?.epoch != epoch, sheet(made) != nil,
      FileManager.default.fileExists(atPath: made + ".png")
    else { return }
    // The picture first: a kill in between leaves a sheet of another epoch, and this is repeated.
    for ending in [".png", ".json"] {
      try AtomicFile.write(AtomicFile.read(made + ending), to: last + ending)
    }
  }

  /// The sheet beside a grid; nil without one that can be read.
  private func sheet(_ path: String) -> SampleSheet? {
    guard let data = FileManager.default.contents(atPath: path + ".json") else { return nil }
    do { return try JSONDecoder().decode(SampleSheet.self, from: data) } catch { return nil }
  }

  /// `before`, `epoch-0010` or `after`.
  private func name(_ epoch: Int, _ isLast: Bool) -> String {
    if epoch == 0 { return "before" }
    if isLast { return "after" }
    return "epoch-" + epoch.digits(4)
  }

  private func sample(_ index: Int, of evaluation: HeldOutEvaluation) -> SampleSheet.Sample {
    let prompt = evaluation.prompts[index]
    return SampleSheet.Sample(
      prompt: prompt.text, tag: prompt.tag,
      seed: ImageSampling.seed(ofImage: index, run: recipe.seed),
      reward: evaluation.training.weighted[index],
      passed: evaluation.verdicts?.values[index].map { $0 == 1 })
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
    try write(try JSONEncoder.indented.encode(value) + Data("\n".utf8), to: path)
  }
}
