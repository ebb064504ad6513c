import Torch
import TorchNN

/// Two normalized causal convolutions around a skip connection (diffusers'
/// `QwenImageResidualBlock`).
struct CausalResidualBlock: CausalLayer {
  private let norm1: ChannelRMSNorm
  private let conv1: CausalConv3d
  private let norm2: ChannelRMSNorm
  private let conv2: CausalConv3d
  /// On the skip connection where the channels change.
  private let shortcut: CausalConv3d?

  init(_ inputs: Int, _ outputs: Int, _ parameters: ParameterScope) throws(ParameterError) {
    norm1 = try ChannelRMSNorm(inputs, rank: 5, parameters["norm1"])
    conv1 = try CausalConv3d(inputs, outputs, frames: 3, side: 3, parameters["conv1"])
    norm2 = try ChannelRMSNorm(outputs, rank: 5, parameters["norm2"])
    conv2 = try CausalConv3d(outputs, outputs, frames: 3, side: 3, parameters["conv2"])
    shortcut =
      inputs == outputs
      ? nil
      : try CausalConv3d(inputs, outputs, frames: 1, side: 1, parameters["conv_shortcut"])
  }

  /// `[B, in, T, h, w] -> [B, out, T, h, w]`
  func callAsFunction(_ x: Tensor, _ cache: FrameCache?) -> Tensor {
    // One variable, so that each input is released before the next is computed.
    var hidden = norm1.activated(x)
    hidden = conv1(hidden, cache)
    hidden = norm2.activated(hidden)
    hidden = conv2(hidden, cache)
    hidden.add_(shortcut.map { $0(x) } ?? x)
    return hidden
  }

  /// The blocks of one resolution, of which the first changes the channels.
  ///
  /// - Parameter parameters: holds them from the index `first` on.
  static func blocks(
    _ inputs: Int, _ outputs: Int, count: Int, first: Int = 0, _ parameters: ParameterScope
  ) throws(ParameterError) -> [CausalResidualBlock] {
    var blocks: [CausalResidualBlock] = []
    for layer in 0..<count {
      blocks.append(
        try CausalResidualBlock(
          layer == 0 ? inputs : outputs, outputs, parameters[first + layer]))
    }
    return blocks
  }
}
