import Foundation
public import Torch
public import TorchNN

/// T5's encoder, version 1.1 (transformers' `T5EncoderModel`).
///
/// B prompts of T tokens, width D. There is no attention mask, as in diffusers' Stable Diffusion 3:
/// padding tokens take part.
public struct T5EncoderModel {
  public let configuration: T5Configuration
  let tokens: Embedding
  let distances: Embedding
  let blocks: [T5Block]
  let finalNorm: T5Norm

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: T5Configuration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let encoder = parameters["encoder"]
    // The table has two names. transformers writes the first, `safetensors.torch.save_model` writes
    // the second, and some files hold both.
    var table = parameters["shared"]
    if !table.holds("weight"), encoder["embed_tokens"].holds("weight") {
      table = encoder["embed_tokens"]
    } else {
      encoder["embed_tokens"].ignore("weight")
    }
    tokens = try Embedding(configuration.vocabSize, configuration.dModel, table)
    // The first block owns the bias table; all blocks use it.
    let owner = encoder["block"][0]["layer"][0]["SelfAttention"]
    distances = try Embedding(
      configuration.relativeAttentionNumBuckets, configuration.numHeads,
      owner["relative_attention_bias"])
    var blocks: [T5Block] = []
    for index in 0..<configuration.numLayers {
      blocks.append(try T5Block(configuration, encoder["block"][index]))
    }
    self.blocks = blocks
    finalNorm = try T5Norm(configuration, encoder["final_layer_norm"])
  }

  /// Encodes prompts of equal length; the tokenizer pads them.
  ///
  /// - Parameter prompts: token ids.
  /// - Returns: the hidden states after the last block and norm, in the weights' precision. `[B, T,
  ///   D]`
  public func callAsFunction(_ prompts: [[Int]]) -> Tensor {
    let length = prompts.first?.count ?? 0
    precondition(
      length > 0 && prompts.allSatisfy { $0.count == length }, "prompts of unequal length")
    let device = tokens.weight.device
    var hidden = tokens(Tensor(prompts.flatMap(\.self), shape: [prompts.count, length]).to(device))
    let buckets = Tensor(configuration.distanceBuckets(length: length), shape: [length, length])
    let bias = distances(buckets.to(device)).permuted([2, 0, 1]).unsqueezed(0).contiguous()
    for block in blocks { hidden = block(hidden, bias: bias) }
    return finalNorm(hidden)
  }
}

extension T5Configuration {
  /// The bucket of the distance from each of `length` tokens to each, row by row.
  ///
  /// One half of the buckets is for later tokens. In each half, one half is for single distances
  /// and the rest is for ranges that widen exponentially. The logarithm is float32, as upstream:
  /// its rounding decides at the edges of a range.
  package func distanceBuckets(length: Int) -> [Int] {
    let half = relativeAttentionNumBuckets / 2
    let exact = half / 2
    let range = log(Double(relativeAttentionMaxDistance) / Double(exact))
    let places = withoutGradient {
      (Tensor.arange(length).to(.float32) / Double(exact)).log() / range * Double(half - exact)
    }.floats()
    let buckets = places.enumerated().map { distance, place in
      distance < exact ? distance : min(exact + Int(place), half - 1)
    }
    return (0..<length).flatMap { query in
      (0..<length).map { key in
        key > query ? buckets[key - query] + half : buckets[query - key]
      }
    }
  }
}
