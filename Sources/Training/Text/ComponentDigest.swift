internal import DiffusionModels
internal import Foundations
internal import Torch

/// Digests of a model's files that do not depend on where they lie.
///
/// Small files and tables of token embeddings count byte for byte: a table may differ in one row,
/// such as that of a token which textual inversion trained. Of every other weight name, type, shape
/// and 2,048 numbers from its middle count: training changes nearly every number of a weight, and
/// 10 GB need not be read to see it. The tables of Stable Diffusion 3.5 have 0.5 GB.
enum ComponentDigest {
  private static let sampleLength = 2048
  /// Ends of the names of tables of token embeddings: CLIP's, and both names of T5's.
  private static let tables = ["token_embedding.weight", "shared.weight", "embed_tokens.weight"]

  /// Takes in the configurations and tokenizer files of a component's folder.
  ///
  /// - Throws: `TrainingError.model`.
  static func add(filesOf folder: String, to hash: inout SHA256) throws(TrainingError) {
    for name in try names(in: folder)
    where (name.hasSuffix(".json") || name.hasSuffix(".txt")) && !name.contains(".safetensors") {
      hash.update(text: "\(name)\n")
      do throws(FileError) {
        try AtomicFile.read("\(folder)/\(name)").withUnsafeBytes { hash.update($0) }
      } catch {
        throw .model(error.description)
      }
    }
  }

  /// Takes in a tensor of a weights file.
  static func add(_ name: String, _ tensor: Tensor, to hash: inout SHA256) {
    hash.update(text: "\(name) \(tensor.dtype) \(tensor.shape)\n")
    let isTable = tables.contains { name.hasSuffix($0) }
    let length = isTable ? tensor.count : min(tensor.count, sampleLength)
    tensor.reshaped([-1])
      .narrowed(dim: 0, start: (tensor.count - length) / 2, length: length)
      .withBytes { hash.update($0) }
  }
}

extension SHA256 {
  /// Takes in text as UTF-8.
  fileprivate mutating func update(text: String) {
    Array(text.utf8).withUnsafeBytes { update($0) }
  }
}
