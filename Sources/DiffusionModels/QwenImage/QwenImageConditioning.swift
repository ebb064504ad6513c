public import Torch

/// Prompt embeddings as inputs of the transformer, padded to one length. B samples, T rows of width
/// J.
public struct QwenImageConditioning {
  /// `[B, T, J]`, or `[B, T, D]` after the transformer's text input layers. Rows behind the end of
  /// a prompt have any finite value.
  public let rows: Tensor
  /// Added to the logits of attention to a row: 0, and minus infinity behind the end of a prompt.
  /// `[B, T]`
  public let bias: Tensor
  /// Whether `rows` are outputs of the transformer's text input layers.
  let isEmbedded: Bool

  init(rows: Tensor, bias: Tensor, isEmbedded: Bool) {
    precondition(rows.rank == 3 && bias.rank == 2, "rows [B, T, J] and bias [B, T]")
    self.rows = rows
    self.bias = bias
    self.isEmbedded = isEmbedded
  }

  /// - Parameters:
  ///   - rows: `[B, T, J]`
  ///   - lengths: the rows of each prompt, the first ones; at least one.
  public init(rows: Tensor, lengths: [Int]) {
    let width = rows.shape[1]
    precondition(
      lengths.count == rows.shape[0] && lengths.allSatisfy((1...width).contains),
      "every prompt has rows")
    let bias = lengths.flatMap { length in
      (0..<width).map { $0 < length ? 0 : -Float.infinity }
    }
    self.init(
      rows: rows, bias: Tensor(bias, shape: [lengths.count, width]).to(rows.dtype).to(rows.device),
      isEmbedded: false)
  }

  /// The embeddings of a ``QwenImagePromptEncoder``, padded with rows of zeros.
  ///
  /// - Parameter width: T, at least the rows of the longest prompt.
  init(_ prompts: [PromptEmbeddings], width: Int) {
    let texts = prompts.map { prompt in
      guard let text = prompt[Self.tensorName] else {
        preconditionFailure("embeddings of another model's encoder")
      }
      return text
    }
    let lengths = texts.map { $0.shape[0] }
    precondition(lengths.allSatisfy { $0 <= width }, "a prompt is longer than \(width) rows")
    let padded = zip(texts, lengths).map { text, length in
      length == width ? text : text.padded([0, 0, 0, width - length])
    }
    self.init(rows: Tensor.stack(padded, dim: 0), lengths: lengths)
  }

  /// The tensor of a prompt's rows among its embeddings.
  static let tensorName = "text"

  /// The width that all calls have for prompts of at most this many rows: the next multiple of 64.
  package static func width(ofLongest length: Int) -> Int { (length + 63) / 64 * 64 }

  /// Number of samples.
  public var count: Int { rows.shape[0] }

  /// Added to the logits of attention to text and image. `-> [B, 1, 1, T + S]`
  func keyBias(imageTokens: Int) -> Tensor {
    let image = Tensor.zeros([count, imageTokens], dtype: bias.dtype, device: bias.device)
    return Tensor.cat([bias, image], dim: 1).unsqueezed(1).unsqueezed(1)
  }

  /// The conditioning with `change` applied to its tensors, for a change of samples, precision or
  /// device.
  func mapped(_ change: (Tensor) -> Tensor) -> QwenImageConditioning {
    QwenImageConditioning(rows: change(rows), bias: change(bias), isEmbedded: isEmbedded)
  }

  /// The conditioning whose sample `i` is sample `samples[i]` of this one.
  public func selecting(_ samples: [Int]) -> QwenImageConditioning {
    let index = Tensor(samples, shape: [samples.count]).to(rows.device)
    return mapped { $0.indexSelect(dim: 0, index) }
  }
}
