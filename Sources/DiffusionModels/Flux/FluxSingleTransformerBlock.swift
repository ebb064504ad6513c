import Torch
import TorchNN

/// A block with one stream of text and image, whose attention and feed-forward layers are parallel
/// (diffusers' `FluxSingleTransformerBlock`).
struct FluxSingleTransformerBlock {
  private let modulation: Modulation
  private let queryKeyValue: QueryKeyValue
  private let up: Linear
  /// From the outputs of attention and of the feed-forward layer, side by side.
  private let output: Linear

  init(
    _ configuration: FluxTransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    modulation = try Modulation(width, parts: 3, parameters["norm"]["linear"])
    up = try Linear(width, 4 * width, parameters["proj_mlp"])
    output = try Linear(5 * width, width, parameters["proj_out"])
    queryKeyValue = try QueryKeyValue(
      width, heads: configuration.numAttentionHeads, isNormalized: true, keys: .image,
      parameters["attn"])
  }

  /// `[B, T + S, D], [B, D] -> the first`
  func callAsFunction(
    _ x: Tensor, conditioning: Tensor, _ rotation: PairRotation
  ) -> Tensor {
    let parts = modulation.parts(conditioning)
    let input = modulatedNorm(x, shift: parts[0], scale: parts[1])
    return gated(x, parts[2], output(joined(input, rotation))).limited()
  }

  /// The outputs of attention and of the feed-forward layer's GELU, side by side. A function of its
  /// own, so that its values are freed before the output layer runs. `[B, T + S, D] -> [B, T + S, 5
  /// D]`
  private func joined(_ input: Tensor, _ rotation: PairRotation) -> Tensor {
    let attended = attention(
      rotation(queryKeyValue.queries(input)), rotation(queryKeyValue.keys(input)),
      queryKeyValue.values(input))
    return Tensor.cat([attended, up(input).gelu(approximate: .tanh)], dim: 2)
  }
}

extension DoubleStreamBlock.Names {
  /// The names of diffusers' `FluxTransformerBlock`.
  static let fluxImage = Self(modulation: "norm1.linear", feedForward: "ff")
  static let fluxText = Self(modulation: "norm1_context.linear", feedForward: "ff_context")
}
