import DiffusionModels
import ImageFiles
import Torch

/// How images become patches for Qwen2-VL (`smart_resize` of `qwen-vl-utils`, and transformers'
/// `Qwen2VLImageProcessor`).
struct Qwen2VLImage {
  let configuration: Qwen2VLVisionConfiguration

  /// The size that an image is brought to: sides that are multiples of a token's, as many pixels as
  /// asked for, nearly the same shape; nil for one side more than 200 times the other.
  func size(of image: PixelBuffer, pixels: Int) -> Qwen2VLImageSize? {
    let token = Double(configuration.tokenSize)
    let (width, height) = (Double(image.width), Double(image.height))
    guard max(width, height) <= 200 * min(width, height) else { return nil }
    var columns = max(1, (width / token).rounded(.toNearestOrEven))
    var rows = max(1, (height / token).rounded(.toNearestOrEven))
    let count = columns * rows * token * token
    let scale = (width * height / Double(pixels)).squareRoot()
    if count > Double(pixels) {
      columns = max(1, (width / scale / token).rounded(.down))
      rows = max(1, (height / scale / token).rounded(.down))
    } else if count < Double(pixels) {
      let scale = (Double(pixels) / (width * height)).squareRoot()
      columns = (width * scale / token).rounded(.up)
      rows = (height * scale / token).rounded(.up)
    }
    return Qwen2VLImageSize(columns: Int(columns), rows: Int(rows))
  }

  /// Flattened patches in the order that the vision tower takes. `-> [B, N, P]`
  func patches(_ images: [PixelBuffer], size: Qwen2VLImageSize, on device: Device) -> Tensor {
    let merge = configuration.spatialMergeSize
    let patch = configuration.patchSize
    let resized = images.map {
      $0.resized(
        width: size.columns * configuration.tokenSize, height: size.rows * configuration.tokenSize,
        filter: .bicubic)
    }
    let count = size.tokens * merge * merge
    return resized.normalised(on: device)
      .reshaped([images.count, 3, size.rows, merge, patch, size.columns, merge, patch])
      .permuted([0, 2, 5, 3, 6, 1, 4, 7])
      .reshaped([images.count, count, 3, 1, patch, patch])
      .expanded([-1, -1, -1, configuration.temporalPatchSize, -1, -1])
      .reshaped([images.count, count, configuration.patchCount])
  }
}

/// The size of an image in tokens.
struct Qwen2VLImageSize: Hashable {
  let columns: Int
  let rows: Int
  var tokens: Int { columns * rows }
}
