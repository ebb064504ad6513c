import Torch
import TorchNN

/// Latents to videos (diffusers' `QwenImageDecoder3d`).
struct CausalDecoder {
  private let layers: [any CausalLayer]
  private let outputNorm: ChannelRMSNorm
  private let output: CausalConv3d

  init(
    _ configuration: AutoencoderKLQwenImageConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let widths: [Int] = configuration.levelChannels.reversed()
    var layers: [any CausalLayer] = [
      try CausalConv3d(configuration.zDim, widths[0], frames: 3, side: 3, parameters["conv_in"]),
      try CausalMidBlock(widths[0], parameters["mid_block"]),
    ]
    for (level, width) in widths.enumerated() {
      let parameters = parameters["up_blocks"][level]
      // Each step to the next resolution halves the channels.
      let inputs = level == 0 ? width : widths[level - 1] / 2
      layers += try CausalResidualBlock.blocks(
        inputs, width, count: configuration.numResBlocks + 1, parameters["resnets"])
      if level < widths.count - 1 {
        layers.append(
          try CausalUpsample(
            width, configuration.resampling(afterLevel: widths.count - 2 - level),
            parameters["upsamplers"][0]))
      }
    }
    self.layers = layers
    let last = widths[widths.count - 1]
    outputNorm = try ChannelRMSNorm(last, rank: 5, parameters["norm_out"])
    output = try CausalConv3d(
      last, configuration.inputChannels, frames: 3, side: 3, parameters["conv_out"])
  }

  /// One chunk of latents; without a cache, their only frame. `[B, C, t, h, w] -> [B, 3, T, H, W]`
  func callAsFunction(_ latents: Tensor, _ cache: FrameCache?) -> Tensor {
    var hidden = layers(latents, cache)
    hidden = outputNorm.activated(hidden)
    return output(hidden, cache)
  }
}
