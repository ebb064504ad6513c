public import Torch

/// The embeddings of one prompt: named tensors without a batch dimension, whose lengths may differ
/// between prompts.
public struct PromptEmbeddings {
  /// The tensors in a fixed order.
  public let tensors: [(name: String, tensor: Tensor)]

  /// - Parameter tensors: names consist of letters and underscores and are unique.
  public init(_ tensors: [(name: String, tensor: Tensor)]) { self.tensors = tensors }

  /// The tensor with a name; nil if there is none.
  public subscript(name: String) -> Tensor? { tensors.first { $0.name == name }?.tensor }
}

extension [PromptEmbeddings] {
  /// Stacks the tensors of one name; nil if no prompt has one. `B x [...] -> [B, ...]`
  public func stacked(_ name: String) -> Tensor? {
    let tensors = compactMap { $0[name] }
    precondition(tensors.isEmpty || tensors.count == count, "only some prompts have \(name)")
    return tensors.isEmpty ? nil : Tensor.stack(tensors, dim: 0)
  }
}
