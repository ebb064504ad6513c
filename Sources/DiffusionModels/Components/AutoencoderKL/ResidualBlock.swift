import Torch
import TorchNN

/// Epsilon of the autoencoder's group norms, added to the variance.
let groupEpsilon = 1e-6

/// Two normalized convolutions around a skip connection (diffusers' `ResnetBlock2D` without time).
struct ResidualBlock {
  let norm1: GroupNorm
  let conv1: Conv2d
  let norm2: GroupNorm
  let conv2: Conv2d
  /// A 1x1 convolution on the skip connection where the channels change.
  let shortcut: Conv2d?

  init(
    _ inputs: Int, _ outputs: Int, groups: Int, _ parameters: ParameterScope
  ) throws(ParameterError) {
    norm1 = try GroupNorm(groups: groups, inputs, epsilon: groupEpsilon, parameters["norm1"])
    conv1 = try Conv2d(inputs, outputs, kernel: 3, padding: 1, parameters["conv1"])
    norm2 = try GroupNorm(groups: groups, outputs, epsilon: groupEpsilon, parameters["norm2"])
    conv2 = try Conv2d(outputs, outputs, kernel: 3, padding: 1, parameters["conv2"])
    shortcut =
      inputs == outputs
      ? nil : try Conv2d(inputs, outputs, kernel: 1, parameters["conv_shortcut"])
  }

  /// `[B, in, h, w] -> [B, out, h, w]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    let hidden = conv2(activated(norm2, conv1(activated(norm1, x))))
    hidden.add_(shortcut.map { $0(x) } ?? x)
    return hidden
  }
}

/// SiLU of the normalized `x`, in the norm's own memory: one copy takes a gigabyte at full
/// resolution. `[B, C, h, w] -> [B, C, h, w]`
func activated(_ norm: GroupNorm, _ x: Tensor) -> Tensor {
  let hidden = norm(x)
  hidden.silu_()
  return hidden
}

/// Attention with one head over all pixels, around a skip connection.
struct SpatialAttention {
  let norm: GroupNorm
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear

  init(_ channels: Int, groups: Int, _ parameters: ParameterScope) throws(ParameterError) {
    norm = try GroupNorm(
      groups: groups, channels, epsilon: groupEpsilon, parameters["group_norm"])
    query = try Linear(channels, channels, parameters["to_q"])
    key = try Linear(channels, channels, parameters["to_k"])
    value = try Linear(channels, channels, parameters["to_v"])
    output = try Linear(channels, channels, parameters["to_out"][0])
  }

  /// `[B, C, h, w] -> [B, C, h, w]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    // [B, 1 head, h * w, C]
    let pixels = norm(x).flattened(from: 2, to: 3).transposed(1, 2).unsqueezed(1)
    let attended = Tensor.scaledDotProductAttention(query(pixels), key(pixels), value(pixels))
    return x + output(attended).squeezed(1).transposed(1, 2).reshaped(x.shape)
  }
}

/// Residual block, optional attention, residual block (diffusers' `UNetMidBlock2D`).
struct MidBlock {
  let attention: SpatialAttention?
  let first: ResidualBlock
  let second: ResidualBlock

  init(
    _ configuration: AutoencoderKLConfiguration, _ channels: Int, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let groups = configuration.normNumGroups
    attention =
      configuration.midBlockAddAttention
      ? try SpatialAttention(channels, groups: groups, parameters["attentions"][0]) : nil
    first = try ResidualBlock(channels, channels, groups: groups, parameters["resnets"][0])
    second = try ResidualBlock(channels, channels, groups: groups, parameters["resnets"][1])
  }

  /// `[B, C, h, w] -> [B, C, h, w]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    let hidden = first(x)
    return second(attention.map { $0(hidden) } ?? hidden)
  }
}
