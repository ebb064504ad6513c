import ImageFiles
import Torch

/// Mean and standard deviation of CLIP's training images by channel, red first, on 0...1; BLIP and
/// Qwen2-VL use them as well.
private let clipMean: [Float] = [0.48145466, 0.4578275, 0.40821073]
private let clipDeviation: [Float] = [0.26862954, 0.26130258, 0.27577711]

extension [PixelBuffer] {
  /// Images of one size, scaled to 0...1 and normalized with mean and standard deviation; float32.
  /// `-> [B, 3, height, width]`
  func normalized(
    on device: Device, mean: [Float] = clipMean, deviation: [Float] = clipDeviation
  ) -> Tensor {
    precondition(
      allSatisfy { $0.width == self[0].width && $0.height == self[0].height },
      "images of one size")
    let bytes = Tensor(flatMap(\.pixels), shape: [count, self[0].height, self[0].width, 3])
    let scaled = bytes.to(device).to(.float32).permuted([0, 3, 1, 2]) / 255
    let center = Tensor(mean, shape: [3, 1, 1]).to(device)
    return (scaled - center) / Tensor(deviation, shape: [3, 1, 1]).to(device)
  }
}
