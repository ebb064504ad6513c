import Torch
import TorchNN

/// One resolution of the encoder: residual blocks, then half the resolution (diffusers'
/// `DownEncoderBlock2D`).
private struct DownBlock {
  private let blocks: [ResidualBlock]
  private let downsample: Conv2d?

  /// - Parameter downsamples: false for the last block.
  init(
    _ inputs: Int, _ outputs: Int, count: Int, groups: Int, downsamples: Bool,
    _ parameters: ParameterScope
  ) throws(ParameterError) {
    blocks = try residualBlocks(inputs, outputs, count: count, groups: groups, parameters)
    downsample =
      downsamples
      ? try Conv2d(outputs, outputs, kernel: 3, stride: 2, parameters["downsamplers"][0]["conv"])
      : nil
  }

  /// `[B, inputs, H, W] -> [B, outputs, H / 2, W / 2]`
  func callAsFunction(_ input: Tensor) -> Tensor {
    let hidden = blocks.reduce(input) { $1($0) }
    // Pads one column on the right and one row below, so that the stride of 2 covers all pixels.
    return downsample.map { $0(hidden.padded([0, 1, 0, 1], value: 0)) } ?? hidden
  }
}

/// One resolution of the decoder: residual blocks, then twice the resolution (diffusers'
/// `UpDecoderBlock2D`).
private struct UpBlock {
  private let blocks: [ResidualBlock]
  private let upsample: Conv2d?

  /// - Parameter upsamples: false for the last block.
  init(
    _ inputs: Int, _ outputs: Int, count: Int, groups: Int, upsamples: Bool,
    _ parameters: ParameterScope
  ) throws(ParameterError) {
    blocks = try residualBlocks(inputs, outputs, count: count, groups: groups, parameters)
    upsample =
      upsamples
      ? try Conv2d(
        outputs, outputs, kernel: 3, padding: 1, parameters["upsamplers"][0]["conv"]) : nil
  }

  /// `[B, inputs, h, w] -> [B, outputs, 2 h, 2 w]`
  func callAsFunction(_ input: Tensor) -> Tensor {
    let hidden = blocks.reduce(input) { $1($0) }
    return upsample.map { $0(hidden.upsampledNearest(factor: 2)) } ?? hidden
  }
}

private func residualBlocks(
  _ inputs: Int, _ outputs: Int, count: Int, groups: Int, _ parameters: ParameterScope
) throws(ParameterError) -> [ResidualBlock] {
  var blocks: [ResidualBlock] = []
  for layer in 0..<count {
    blocks.append(
      try ResidualBlock(
        layer == 0 ? inputs : outputs, outputs, groups: groups, parameters["resnets"][layer]))
  }
  return blocks
}

/// Images to moments of the latents (diffusers' `Encoder`).
struct AutoencoderEncoder {
  private let input: Conv2d
  private let blocks: [DownBlock]
  private let middle: MidBlock
  private let outputNorm: GroupNorm
  private let output: Conv2d

  init(
    _ configuration: AutoencoderKLConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let widths = configuration.blockOutChannels
    let groups = configuration.normNumGroups
    let last = widths[widths.count - 1]
    input = try Conv2d(
      configuration.inChannels, widths[0], kernel: 3, padding: 1, parameters["conv_in"])
    var blocks: [DownBlock] = []
    for (index, width) in widths.enumerated() {
      blocks.append(
        try DownBlock(
          widths[max(index - 1, 0)], width, count: configuration.layersPerBlock, groups: groups,
          downsamples: index < widths.count - 1, parameters["down_blocks"][index]))
    }
    self.blocks = blocks
    middle = try MidBlock(configuration, last, parameters["mid_block"])
    outputNorm = try GroupNorm(
      groups: groups, last, epsilon: groupEpsilon, parameters["conv_norm_out"])
    output = try Conv2d(
      last, 2 * configuration.latentChannels, kernel: 3, padding: 1, parameters["conv_out"])
  }

  /// `[B, 3, H, W] -> [B, 2 C, h, w]`
  func callAsFunction(_ images: Tensor) -> Tensor {
    let hidden = blocks.reduce(input(images)) { $1($0) }
    return output(activated(outputNorm, middle(hidden)))
  }
}

/// Latents to images (diffusers' `Decoder`).
struct AutoencoderDecoder {
  private let input: Conv2d
  private let middle: MidBlock
  private let blocks: [UpBlock]
  private let outputNorm: GroupNorm
  private let output: Conv2d

  init(
    _ configuration: AutoencoderKLConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let widths: [Int] = configuration.blockOutChannels.reversed()
    let groups = configuration.normNumGroups
    let last = widths[widths.count - 1]
    input = try Conv2d(
      configuration.latentChannels, widths[0], kernel: 3, padding: 1, parameters["conv_in"])
    middle = try MidBlock(configuration, widths[0], parameters["mid_block"])
    var blocks: [UpBlock] = []
    for (index, width) in widths.enumerated() {
      blocks.append(
        try UpBlock(
          widths[max(index - 1, 0)], width, count: configuration.layersPerBlock + 1,
          groups: groups, upsamples: index < widths.count - 1, parameters["up_blocks"][index]))
    }
    self.blocks = blocks
    outputNorm = try GroupNorm(
      groups: groups, last, epsilon: groupEpsilon, parameters["conv_norm_out"])
    output = try Conv2d(
      last, configuration.outChannels, kernel: 3, padding: 1, parameters["conv_out"])
  }

  /// `[B, C, h, w] -> [B, 3, H, W]`
  func callAsFunction(_ latents: Tensor) -> Tensor {
    let hidden = blocks.reduce(middle(input(latents))) { $1($0) }
    return output(activated(outputNorm, hidden))
  }
}
