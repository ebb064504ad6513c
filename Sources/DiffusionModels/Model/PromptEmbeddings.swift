public import Torch

/// What a model's encoders make of one prompt: named tensors without a batch dimension, whose lengths
/// may differ from prompt to prompt.
public struct PromptEmbeddings {
  /// In a fixed order.
  public let tensors: [(name: String, tensor: Tensor)]

  /// - Parameter tensors: names of letters and underscores, each once.
  public init(_ tensors: [(name: String, tensor: Tensor)]) { self.tensors = tensors }

  /// The tensor of a name; nil where there is none.
  public subscript(name: String) -> Tensor? { tensors.first { $0.name == name }?.tensor }

  /// Numbers of all tensors.
  public var elementCount: Int { tensors.reduce(0) { $0 + $1.tensor.count } }
}

extension [PromptEmbeddings] {
  /// The tensors of one name as a batch; nil where the prompts have none. `B x [...] -> [B, ...]`
  public func stacked(_ name: String) -> Tensor? {
    let tensors = compactMap { $0[name] }
    precondition(tensors.isEmpty || tensors.count == count, "\(name) of some prompts alone")
    return tensors.isEmpty ? nil : Tensor.stack(tensors, dim: 0)
  }
}
