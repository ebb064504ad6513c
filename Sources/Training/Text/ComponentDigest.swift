internal import DiffusionModels
internal import Foundations
internal import Torch

/// Digests of a model's files, independent of the files' paths.
///
/// Small files and token embedding tables are hashed byte for byte: two tables may differ in one
/// row, such as that of a token from textual inversion. For every other weight, the digest covers
/// name, type, shape and 2,048 elements from its middle: training changes nearly every element of a
/// weight, and reading 10 GB is avoided. The tables of Stable Diffusion 3.5 have 0.5 GB.
enum ComponentDigest {
  private static let sampleLength = 2048
  /// Endings of the names of token embedding tables: CLIP's, and both names of T5's.
  private static let tables = ["token_embedding.weight", "shared.weight", "embed_tokens.weight"]

  /// Adds the configurations and tokenizer files of a component's folder.
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

  /// Adds a tensor of a weights file.
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
  /// Adds text as UTF-8.
  fileprivate mutating func update(text: String) {
    Array(text.utf8).withUnsafeBytes { update($0) }
  }
}
