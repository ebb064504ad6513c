import Torch
import TorchNN

/// Divides the channels of each pixel by their root mean square (diffusers' `QwenImageRMS_norm`).
struct ChannelRMSNorm {
  /// `[C, 1, 1]` for images, `[C, 1, 1, 1]` for videos.
  let gamma: Tensor

  /// - Parameter rank: of the normalized tensors: 4 for images, 5 for videos.
  init(_ channels: Int, rank: Int, _ parameters: ParameterScope) throws(ParameterError) {
    let ones = Array(repeating: 1, count: rank - 2)
    gamma = try parameters.tensor("gamma", shape: [channels] + ones, initial: .ones)
  }

  /// `[B, C, *] -> [B, C, *]`
  func callAsFunction(_ x: Tensor) -> Tensor { normalized(x).to(x.dtype) }

  /// SiLU of the normalized `x`. `[B, C, *] -> [B, C, *]`
  func activated(_ x: Tensor) -> Tensor {
    let hidden = normalized(x)
    hidden.silu_()
    return hidden.to(x.dtype)
  }

  /// `gamma x / sqrt(mean(x²))` in float32, in memory of its own: at full resolution one copy takes
  /// a hundred megabytes and more.
  private func normalized(_ x: Tensor) -> Tensor {
    let length = x.norm(dims: [1], keepDim: true, dtype: .float32).clamped(smallestLength, nil)
    let factor = length.reciprocal() * Double(gamma.shape[0]).squareRoot()
    let hidden: Tensor
    if x.dtype == .float32 {
      hidden = x * factor
    } else {
      hidden = x.to(.float32)
      hidden.mul_(factor)
    }
    hidden.mul_(gamma)
    return hidden
  }
}

/// The least length of a pixel's channels by which they are divided, as in PyTorch's `normalize`.
private let smallestLength = 1e-12
