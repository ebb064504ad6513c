import Torch
import TorchNN

/// Videos to moments of the latents (diffusers' `QwenImageEncoder3d`).
struct CausalEncoder {
  private let layers: [any CausalLayer]
  private let outputNorm: ChannelRMSNorm
  private let output: CausalConv3d

  init(
    _ configuration: AutoencoderKLQwenImageConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let widths = configuration.levelChannels
    let last = widths[widths.count - 1]
    var layers: [any CausalLayer] = [
      try CausalConv3d(
        configuration.inputChannels, configuration.baseDim, frames: 3, side: 3,
        parameters["conv_in"])
    ]
    // One list holds the blocks and the steps of all resolutions.
    let blocks = parameters["down_blocks"]
    var index = 0
    for (level, width) in widths.enumerated() {
      let inputs = level == 0 ? configuration.baseDim : widths[level - 1]
      layers += try CausalResidualBlock.blocks(
        inputs, width, count: configuration.numResBlocks, first: index, blocks)
      index += configuration.numResBlocks
      if level < widths.count - 1 {
        layers.append(
          try CausalDownsample(width, configuration.resampling(afterLevel: level), blocks[index]))
        index += 1
      }
    }
    layers.append(try CausalMidBlock(last, parameters["mid_block"]))
    self.layers = layers
    outputNorm = try ChannelRMSNorm(last, rank: 5, parameters["norm_out"])
    output = try CausalConv3d(
      last, 2 * configuration.zDim, frames: 3, side: 3, parameters["conv_out"])
  }

  /// One chunk of a video; without a cache, its only frame. `[B, 3, T, H, W] -> [B, 2 C, t, h, w]`
  func callAsFunction(_ video: Tensor, _ cache: FrameCache?) -> Tensor {
    var hidden = layers(video, cache)
    hidden = outputNorm.activated(hidden)
    return output(hidden, cache)
  }
}
