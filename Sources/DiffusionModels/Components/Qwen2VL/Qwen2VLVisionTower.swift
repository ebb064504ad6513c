public import Torch
public import TorchNN

/// Qwen2-VL's vision tower (transformers' `Qwen2VisionTransformerPretrainedModel`): image patches
/// to tokens of the language model.
///
/// B images of N patches with P elements each; patch width D, M patches per token, token width E.
public struct Qwen2VLVisionTower {
  public let configuration: Qwen2VLVisionConfiguration
  /// `[D, 3, temporal, patch, patch]`
  let patchWeight: Tensor
  let blocks: [Qwen2VLVisionBlock]
  let norm: LayerNorm
  let up: Linear
  let down: Linear

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: Qwen2VLVisionConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.embedDim
    let patch = configuration.patchSize
    patchWeight = try parameters["patch_embed"]["proj"].tensor(
      "weight", width, 3, configuration.temporalPatchSize, patch, patch,
      initial: .fanIn(configuration.patchCount))
    var blocks: [Qwen2VLVisionBlock] = []
    for index in 0..<configuration.depth {
      blocks.append(try Qwen2VLVisionBlock(configuration, parameters["blocks"][index]))
    }
    self.blocks = blocks
    let merger = parameters["merger"]
    let merged = width * configuration.spatialMergeSize * configuration.spatialMergeSize
    norm = try LayerNorm(width, epsilon: 1e-6, merger["ln_q"])
    up = try Linear(merged, merged, merger["mlp"][0])
    down = try Linear(merged, configuration.hiddenSize, merger["mlp"][2])
  }

  /// `[B, N, P] -> [B, N / M, E]`
  ///
  /// - Parameters:
  ///   - patches: flattened in the order color, time, row, column. The squares that are merged into
  ///     a token follow one another; each square is stored row by row.
  ///   - rows: patches from top to bottom, the same for all images; `rows * columns` is N.
  public func callAsFunction(_ patches: Tensor, rows: Int, columns: Int) -> Tensor {
    let shape = patches.shape
    precondition(shape[1] == rows * columns, "\(rows) x \(columns) is not \(shape[1]) patches")
    let weight = patchWeight.reshaped([configuration.embedDim, configuration.patchCount])
    var hidden = patches.to(weight.dtype).linear(weight: weight, bias: nil)
    let rotation = rotation(rows: rows, columns: columns, device: weight.device)
    for block in blocks { hidden = block(hidden, rotation) }
    let merge = configuration.spatialMergeSize * configuration.spatialMergeSize
    let merged = norm(hidden).reshaped([shape[0], shape[1] / merge, merge * configuration.embedDim])
    return down(up(merged).gelu())
  }

  /// The first half of a head's frequencies encodes the row, the second half the column.
  private func rotation(rows: Int, columns: Int, device: Device) -> RotaryTable {
    let frequencies = RotaryTable.frequencies(
      width: configuration.embedDim / configuration.numHeads / 2, base: 10000)
    let merge = configuration.spatialMergeSize
    var angles: [Float] = []
    for row in stride(from: 0, to: rows, by: merge) {
      for column in stride(from: 0, to: columns, by: merge) {
        for place in 0..<(merge * merge) {
          angles += frequencies.map { $0 * Float(row + place / merge) }
          angles += frequencies.map { $0 * Float(column + place % merge) }
        }
      }
    }
    return RotaryTable(
      angles: Tensor(angles, shape: [rows * columns, 2 * frequencies.count]).to(device))
  }
}

/// One block: self-attention over an image's patches, then a feed-forward layer; each follows a
/// norm and is added to its input.
struct Qwen2VLVisionBlock {
  private let attentionNorm: LayerNorm
  private let queryKeyValue: Linear
  private let output: Linear
  private let linearNorm: LayerNorm
  private let up: Linear
  private let down: Linear
  private let heads: Int

  init(
    _ configuration: Qwen2VLVisionConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.embedDim
    heads = configuration.numHeads
    attentionNorm = try LayerNorm(width, epsilon: 1e-6, parameters["norm1"])
    linearNorm = try LayerNorm(width, epsilon: 1e-6, parameters["norm2"])
    queryKeyValue = try Linear(width, 3 * width, parameters["attn"]["qkv"])
    output = try Linear(width, width, parameters["attn"]["proj"])
    up = try Linear(width, width * configuration.mlpRatio, parameters["mlp"]["fc1"])
    down = try Linear(width * configuration.mlpRatio, width, parameters["mlp"]["fc2"])
  }

  /// `[B, N, D] -> [B, N, D]`; rotary positions are applied in float32.
  func callAsFunction(_ x: Tensor, _ rotation: RotaryTable) -> Tensor {
    let shape = x.shape
    let parts = queryKeyValue(attentionNorm(x))
      .reshaped([shape[0], shape[1], 3, heads, shape[2] / heads]).permuted([2, 0, 3, 1, 4])
      .unbound()
    let attended = Tensor.scaledDotProductAttention(
      rotation(parts[0].to(.float32)).to(x.dtype), rotation(parts[1].to(.float32)).to(x.dtype),
      parts[2])
    let hidden = x + output(attended.joinedHeads())
    let wide = up(linearNorm(hidden))
    return hidden + down(wide * (wide * 1.702).sigmoid())
  }
}
