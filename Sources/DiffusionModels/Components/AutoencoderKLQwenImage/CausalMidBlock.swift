import Torch
import TorchNN

/// Attention with one head over the pixels of each frame, around a skip connection (diffusers'
/// `QwenImageAttentionBlock`).
struct FrameAttention {
  private let norm: ChannelRMSNorm
  private let queryKeyValue: Conv2d
  private let output: Conv2d

  init(_ channels: Int, _ parameters: ParameterScope) throws(ParameterError) {
    norm = try ChannelRMSNorm(channels, rank: 4, parameters["norm"])
    queryKeyValue = try Conv2d(channels, 3 * channels, kernel: 1, parameters["to_qkv"])
    output = try Conv2d(channels, channels, kernel: 1, parameters["proj"])
  }

  /// `[B, C, T, h, w] -> [B, C, T, h, w]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    onEachFrame(x) { frames in
      // Three times [B * T, 1 head, h * w, C]
      let parts = queryKeyValue(norm(frames)).flattened(from: 2, to: 3).transposed(1, 2)
        .unsqueezed(1).chunked(3, dim: 3)
      let attended = Tensor.scaledDotProductAttention(parts[0], parts[1], parts[2])
      return frames + output(attended.squeezed(1).transposed(1, 2).reshaped(frames.shape))
    }
  }
}

/// Residual block, attention, residual block (diffusers' `QwenImageMidBlock`).
struct CausalMidBlock: CausalLayer {
  private let first: CausalResidualBlock
  private let attention: FrameAttention
  private let second: CausalResidualBlock

  init(_ channels: Int, _ parameters: ParameterScope) throws(ParameterError) {
    first = try CausalResidualBlock(channels, channels, parameters["resnets"][0])
    attention = try FrameAttention(channels, parameters["attentions"][0])
    second = try CausalResidualBlock(channels, channels, parameters["resnets"][1])
  }

  /// `[B, C, T, h, w] -> [B, C, T, h, w]`
  func callAsFunction(_ x: Tensor, _ cache: FrameCache?) -> Tensor {
    var hidden = first(x, cache)
    hidden = attention(hidden)
    return second(hidden, cache)
  }
}
