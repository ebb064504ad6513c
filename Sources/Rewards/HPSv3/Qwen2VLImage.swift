package import DiffusionModels
import ImageFiles
import Torch

/// Images as patches for Qwen2-VL (`smart_resize` of `qwen-vl-utils`, and transformers'
/// `Qwen2VLImageProcessor`).
package struct Qwen2VLImage {
  let configuration: Qwen2VLVisionConfiguration

  package init(configuration: Qwen2VLVisionConfiguration) { self.configuration = configuration }

  /// The size to resize an image to: sides are multiples of a token's side, the area is about
  /// `pixels`, the aspect ratio is nearly kept; nil for one side more than 200 times the other.
  package func size(width: Int, height: Int, pixels: Int) -> Qwen2VLImageSize? {
    let token = Double(configuration.tokenSize)
    let (width, height) = (Double(width), Double(height))
    guard max(width, height) <= 200 * min(width, height) else { return nil }
    var columns = max(1, (width / token).rounded(.toNearestOrEven))
    var rows = max(1, (height / token).rounded(.toNearestOrEven))
    let count = columns * rows * token * token
    if count > Double(pixels) {
      let scale = (width * height / Double(pixels)).squareRoot()
      columns = max(1, (width / scale / token).rounded(.down))
      rows = max(1, (height / scale / token).rounded(.down))
    } else if count < Double(pixels) {
      let scale = (Double(pixels) / (width * height)).squareRoot()
      columns = (width * scale / token).rounded(.up)
      rows = (height * scale / token).rounded(.up)
    }
    return Qwen2VLImageSize(columns: Int(columns), rows: Int(rows))
  }

  /// Flattened patches in the order of the vision tower's input. `-> [B, N, P]`
  func patches(_ images: [PixelBuffer], size: Qwen2VLImageSize, on device: Device) -> Tensor {
    let merge = configuration.spatialMergeSize
    let patch = configuration.patchSize
    let resized = images.map {
      $0.resized(
        width: size.columns * configuration.tokenSize, height: size.rows * configuration.tokenSize,
        filter: .bicubic)
    }
    let count = size.tokens * merge * merge
    return resized.normalized(on: device)
      .reshaped([images.count, 3, size.rows, merge, patch, size.columns, merge, patch])
      .permuted([0, 2, 5, 3, 6, 1, 4, 7])
      .reshaped([images.count, count, 3, 1, patch, patch])
      .expanded([-1, -1, -1, configuration.temporalPatchSize, -1, -1])
      .reshaped([images.count, count, configuration.patchCount])
  }
}

/// The size of an image in tokens.
package struct Qwen2VLImageSize: Hashable {
  package let columns: Int
  package let rows: Int
  var tokens: Int { columns * rows }
}
