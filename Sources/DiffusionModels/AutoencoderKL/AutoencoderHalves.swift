import Torch
import TorchNN

/// One resolution of the autoencoder: residual blocks, then a change of resolution.
private struct Level {
  let blocks: [ResidualBlock]
  let resample: Conv2d?

  init(
    _ inputs: Int, _ outputs: Int, count: Int, groups: Int, resample: Conv2d?,
    _ parameters: ParameterScope
  ) throws(ParameterError) {
    var blocks: [ResidualBlock] = []
    for layer in 0..<count {
      blocks.append(
        try ResidualBlock(
          layer == 0 ? inputs : outputs, outputs, groups: groups, parameters["resnets"][layer]))
    }
    self.blocks = blocks
    self.resample = resample
  }
}

/// Images to moments of the latents (diffusers' `Encoder`).
struct AutoencoderEncoder {
  private let input: Conv2d
  private let levels: [Level]
  private let middle: MiddleBlock
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
    var levels: [Level] = []
    for (index, width) in widths.enumerated() {
      let scope = parameters["down_blocks"][index]
      let downsample =
        index == widths.count - 1
        ? nil
        : try Conv2d(width, width, kernel: 3, stride: 2, scope["downsamplers"][0]["conv"])
      levels.append(
        try Level(
          widths[max(index - 1, 0)], width, count: configuration.layersPerBlock, groups: groups,
          resample: downsample, scope))
    }
    self.levels = levels
    middle = try MiddleBlock(configuration, last, parameters["mid_block"])
    outputNorm = try GroupNorm(
      groups: groups, last, epsilon: groupEpsilon, parameters["conv_norm_out"])
    output = try Conv2d(
      last, 2 * configuration.latentChannels, kernel: 3, padding: 1, parameters["conv_out"])
  }

  /// `[B, 3, H, W] -> [B, 2 C, h, w]`
  func callAsFunction(_ images: Tensor) -> Tensor {
    var hidden = input(images)
    for level in levels {
      for block in level.blocks { hidden = block(hidden) }
      if let downsample = level.resample {
        // One column on the right and one row below: the stride of 2 then covers all pixels.
        hidden = downsample(hidden.padded([0, 1, 0, 1], value: 0))
      }
    }
    return output(activated(outputNorm, middle(hidden)))
  }
}

/// Latents to images (diffusers' `Decoder`).
struct AutoencoderDecoder {
  private let input: Conv2d
  private let middle: MiddleBlock
  private let levels: [Level]
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
    middle = try MiddleBlock(configuration, widths[0], parameters["mid_block"])
    var levels: [Level] = []
    for (index, width) in widths.enumerated() {
      let scope = parameters["up_blocks"][index]
      let upsample =
        index == widths.count - 1
        ? nil
        : try Conv2d(width, width, kernel: 3, padding: 1, scope["upsamplers"][0]["conv"])
      levels.append(
        try Level(
          widths[max(index - 1, 0)], width, count: configuration.layersPerBlock + 1,
          groups: groups, resample: upsample, scope))
    }
    self.levels = levels
    outputNorm = try GroupNorm(
      groups: groups, last, epsilon: groupEpsilon, parameters["conv_norm_out"])
    output = try Conv2d(
      last, configuration.outChannels, kernel: 3, padding: 1, parameters["conv_out"])
  }

  /// `[B, C, h, w] -> [B, 3, H, W]`
  func callAsFunction(_ latents: Tensor) -> Tensor {
    var hidden = middle(input(latents))
    for level in levels {
      for block in level.blocks { hidden = block(hidden) }
      if let upsample = level.resample { hidden = upsample(hidden.upsampledNearest(factor: 2)) }
    }
    return output(activated(outputNorm, hidden))
  }
}
