import Torch
import TorchNN

/// Attention over image and text together (diffusers' `JointAttnProcessor2_0`): image rows first.
struct SD3JointAttention {
  let image: QueryKeyValue
  let text: QueryKeyValue
  let imageOutput: Linear
  /// Output projection of the text; nil in the last block, whose text output is unused.
  let textOutput: Linear?

  init(
    _ configuration: SD3TransformerConfiguration, isLast: Bool, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    image = try QueryKeyValue(configuration, .image, parameters)
    text = try QueryKeyValue(configuration, .text, parameters)
    imageOutput = try Linear(width, width, parameters["to_out"][0])
    textOutput = isLast ? nil : try Linear(width, width, parameters["to_add_out"])
  }

  /// `keyBias` `[1, 1, 1, S + T]` is added to the logits.
  /// `[B, S, D], [B, T, D] -> the same; the second is nil in the last block`
  func callAsFunction(_ x: Tensor, _ context: Tensor, keyBias: Tensor?) -> (Tensor, Tensor?) {
    let count = x.shape[1]
    let keys = Tensor.cat([image.keys(x), text.keys(context)], dim: 1)
    let values = Tensor.cat([image.values(x), text.values(context)], dim: 1)
    guard let textOutput else {
      let attended = attention(image.queries(x), keys, values, keyBias: keyBias)
      return (imageOutput(attended), nil)
    }
    let queries = Tensor.cat([image.queries(x), text.queries(context)], dim: 1)
    let attended = attention(queries, keys, values, keyBias: keyBias)
    return (
      imageOutput(attended.narrowed(dim: 1, start: 0, length: count)),
      textOutput(attended.narrowed(dim: 1, start: count, length: context.shape[1]))
    )
  }
}

/// Attention over the image alone: the second attention of Stable Diffusion 3.5's first blocks.
struct SD3SelfAttention {
  let image: QueryKeyValue
  let output: Linear

  init(
    _ configuration: SD3TransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    image = try QueryKeyValue(configuration, .image, parameters)
    output = try Linear(configuration.width, configuration.width, parameters["to_out"][0])
  }

  /// `[B, S, D] -> [B, S, D]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    output(attention(image.queries(x), image.keys(x), image.values(x), keyBias: nil))
  }
}

extension QueryKeyValue {
  fileprivate init(
    _ configuration: SD3TransformerConfiguration, _ keys: Keys, _ parameters: ParameterScope
  ) throws(ParameterError) {
    try self.init(
      configuration.width, heads: configuration.numAttentionHeads,
      isNormalized: configuration.qkNorm == .rmsNorm, keys: keys, parameters)
  }
}
