import DiffusionModels
import Foundation
import ImageFiles
import Torch

/// `preprocessor_config.json` of transformers' `CLIPImageProcessor`, or the member
/// `image_processor` of `processor_config.json`, where transformers 5 writes it: the shorter edge
/// is scaled, the center cropped, the bytes normalized.
struct CLIPImageProcessor: Decodable {
  /// How an image that is no square becomes one.
  enum Fit {
    /// The shorter edge is scaled, and the center cropped.
    case cropped
    /// The longer edge is scaled, and the rest black, as in the package `hpsv2` (its open_clip's
    /// `ResizeMaxSize`).
    case padded
  }

  /// Not a setting of the file.
  private(set) var fit = Fit.cropped
  /// Pixels of the shorter edge.
  let size: Int
  /// Pixels of the side of the square that is cropped.
  let cropSize: Int
  let filter: ResamplingFilter
  /// By channel, on 0...1.
  let mean: [Float]
  /// Standard deviation by channel, on 0...1.
  let deviation: [Float]

  /// Reads the file of a folder whose tower is `vision`.
  static func read(
    _ folder: WeightsFolder, for vision: CLIPVisionConfiguration, fit: Fit = .cropped
  ) throws(RewardError) -> CLIPImageProcessor {
    var processor = try read(folder)
    processor.fit = fit
    guard processor.cropSize == vision.imageSize else {
      throw folder.problem(
        "\(folder.path): the preprocessor makes images of \(processor.cropSize) pixels, the model "
          + "takes \(vision.imageSize)")
    }
    return processor
  }

  private static func read(_ folder: WeightsFolder) throws(RewardError) -> CLIPImageProcessor {
    // As in transformers, processor_config.json takes precedence where it holds an image processor.
    let whole = "\(folder.path)/processor_config.json"
    if FileManager.default.fileExists(atPath: whole) {
      let file: ProcessorFile = try read(whole, of: folder)
      if let processor = file.imageProcessor { return processor }
    }
    return try read("\(folder.path)/preprocessor_config.json", of: folder)
  }

  /// `processor_config.json`; files of transformers 4 hold no image processor.
  private struct ProcessorFile: Decodable {
    let imageProcessor: CLIPImageProcessor?

    enum CodingKeys: String, CodingKey {
      case imageProcessor = "image_processor"
    }
  }

  private static func read<Contents: Decodable>(
    _ path: String, of folder: WeightsFolder
  ) throws(RewardError) -> Contents {
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      return try JSONDecoder().decode(Contents.self, from: data)
    } catch let DecodingError.keyNotFound(key, _) {
      throw folder.problem("\(path): no '\(key.stringValue)'")
    } catch let DecodingError.dataCorrupted(context), let DecodingError.typeMismatch(_, context),
      let DecodingError.valueNotFound(_, context)
    {
      let key = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw folder.problem("\(path): \(key.isEmpty ? "" : "'\(key)': ")\(context.debugDescription)")
    } catch {
      throw folder.problem("\(path): \(error.localizedDescription)")
    }
  }

  /// The input of the tower from images of any size. `-> [B, 3, cropSize, cropSize]`
  func callAsFunction(_ images: [PixelBuffer], on device: Device) -> Tensor {
    images.map(fit == .padded ? padded : cropped)
      .normalized(on: device, mean: mean, deviation: deviation)
  }

  /// The whole scaled image in a black square.
  private func padded(_ image: PixelBuffer) -> PixelBuffer {
    let scale = Double(cropSize) / Double(max(image.width, image.height))
    func scaled(_ edge: Int) -> Int {
      max(1, Int((Double(edge) * scale).rounded(.toNearestOrEven)))
    }
    return image.resized(width: scaled(image.width), height: scaled(image.height), filter: filter)
      .padded(side: cropSize)
  }

  /// The center of the scaled image.
  func cropped(_ image: PixelBuffer) -> PixelBuffer {
    let short = min(image.width, image.height)
    return image.resized(
      width: image.width * size / short, height: image.height * size / short, filter: filter
    ).centerCropped(side: cropSize)
  }

  init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
      DecodingError.dataCorruptedError(forKey: key, in: file, debugDescription: reason)
    }
    for key in [CodingKeys.resizes, .crops, .rescales, .normalizes]
    where try file.decodeIfPresent(Bool.self, forKey: key) == false {
      throw refuse(key, "false is not known")
    }
    let edge = try file.decodeIfPresent(Edge.self, forKey: .size)
    guard edge?.isSquare != true else {
      throw refuse(.size, "height and width stretch an image; only shortest_edge is known")
    }
    size = edge?.pixels ?? 224
    cropSize = try file.decodeIfPresent(Edge.self, forKey: .cropSize)?.pixels ?? 224
    let number = try file.decodeIfPresent(Int.self, forKey: .filter) ?? 3
    guard let filter = ResamplingFilter(rawValue: number) else {
      throw refuse(.filter, "filter \(number) is not one of 1 (lanczos), 2 (bilinear), 3 (bicubic)")
    }
    self.filter = filter
    mean = try file.decode([Float].self, forKey: .mean)
    deviation = try file.decode([Float].self, forKey: .deviation)
    guard mean.count == 3, deviation.count == 3, !deviation.contains(0) else {
      throw refuse(.deviation, "mean and deviation have 3 values, none of the latter 0")
    }
    guard cropSize >= 1, size >= cropSize else {
      throw refuse(.cropSize, "\(cropSize) is not in 1...\(size), the shorter edge")
    }
    let factor = try file.decodeIfPresent(Double.self, forKey: .factor) ?? 1.0 / 255
    guard abs(factor * 255 - 1) < 1e-6 else { throw refuse(.factor, "\(factor) is not 1/255") }
  }

  private enum CodingKeys: String, CodingKey {
    case size
    case cropSize = "crop_size"
    case filter = "resample"
    case mean = "image_mean"
    case deviation = "image_std"
    case factor = "rescale_factor"
    case resizes = "do_resize"
    case crops = "do_center_crop"
    case rescales = "do_rescale"
    case normalizes = "do_normalize"
  }

  /// A number of pixels: by itself in older files, in newer ones `shortest_edge`, or equal `height`
  /// and `width`.
  private struct Edge: Decodable {
    let pixels: Int
    /// Whether the file has height and width.
    let isSquare: Bool

    init(from decoder: any Decoder) throws {
      do {
        pixels = try decoder.singleValueContainer().decode(Int.self)
        isSquare = false
      } catch DecodingError.typeMismatch {
        let edges = try decoder.singleValueContainer().decode([String: Int?].self)
          .compactMapValues(\.self)
        guard let first = edges.values.first, edges.values.allSatisfy({ $0 == first }) else {
          throw DecodingError.dataCorrupted(
            .init(codingPath: decoder.codingPath, debugDescription: "not the side of a square"))
        }
        pixels = first
        isSquare = edges["shortest_edge"] == nil
      }
    }
  }
}
