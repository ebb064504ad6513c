public import Torch
public import TorchNN

/// BLIP's image encoder (arXiv 2201.12086): a vision transformer in the layout of timm.
///
/// B images of N patches and a class token, width D.
public struct BLIPVisionEncoder {
  public let configuration: BLIPConfiguration
  let projection: Conv2d
  /// `[1, 1, D]`
  let classToken: Tensor
  /// `[1, 1 + N, D]`
  let positions: Tensor
  let blocks: [BLIPVisionBlock]
  let norm: LayerNorm

  /// Builds the network from parameters named as in BLIP's own checkpoints.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: BLIPConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.visionWidth
    let side = configuration.imageSize / configuration.patchSize
    classToken = try parameters.tensor("cls_token", 1, 1, width, initial: .normal(0.02))
    positions = try parameters.tensor(
      "pos_embed", 1, 1 + side * side, width, initial: .normal(0.02))
    projection = try Conv2d(
      3, width, kernel: configuration.patchSize, stride: configuration.patchSize,
      parameters["patch_embed"]["proj"])
    var blocks: [BLIPVisionBlock] = []
    for index in 0..<configuration.visionLayers {
      blocks.append(try BLIPVisionBlock(configuration, parameters["blocks"][index]))
    }
    self.blocks = blocks
    norm = try LayerNorm(width, epsilon: 1e-6, parameters["norm"])
  }

  /// `[B, 3, imageSize, imageSize] -> [B, 1 + N, D]`
  public func callAsFunction(_ images: Tensor) -> Tensor {
    let patches = projection(images.to(positions.dtype)).flattened(from: 2, to: 3)
      .transposed(1, 2)
    let first = classToken.expanded([images.shape[0], -1, -1])
    var hidden = Tensor.cat([first, patches], dim: 1) + positions
    for block in blocks { hidden = block(hidden) }
    return norm(hidden)
  }
}

/// One block: self-attention over all patches, then a feed-forward layer; each follows a norm and
/// is added to its input.
struct BLIPVisionBlock {
  private let attentionNorm: LayerNorm
  private let queryKeyValue: Linear
  private let output: Linear
  private let linearNorm: LayerNorm
  private let up: Linear
  private let down: Linear
  private let heads: Int

  init(_ configuration: BLIPConfiguration, _ parameters: ParameterScope) throws(ParameterError) {
    let width = configuration.visionWidth
    heads = configuration.visionHeads
    attentionNorm = try LayerNorm(width, epsilon: 1e-6, parameters["norm1"])
    queryKeyValue = try Linear(width, 3 * width, parameters["attn"]["qkv"])
    output = try Linear(width, width, parameters["attn"]["proj"])
    linearNorm = try LayerNorm(width, epsilon: 1e-6, parameters["norm2"])
    up = try Linear(width, 4 * width, parameters["mlp"]["fc1"])
    down = try Linear(4 * width, width, parameters["mlp"]["fc2"])
  }

  /// `[B, T, D] -> [B, T, D]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    let shape = x.shape
    let parts = queryKeyValue(attentionNorm(x))
      .reshaped([shape[0], shape[1], 3, heads, shape[2] / heads]).permuted([2, 0, 3, 1, 4])
      .unbound()
    let attended = Tensor.scaledDotProductAttention(parts[0], parts[1], parts[2])
    let hidden = x + output(attended.joinedHeads())
    return hidden + down(up(linearNorm(hidden)).gelu())
  }
}
