internal import DiffusionModels
internal import Foundations
internal import Rewards
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
  /// - Parameter isRead: whether a file of a name counts.
  /// - Throws: `TrainingError.model`.
  static func add(
    filesOf folder: String, to hash: inout SHA256, where isRead: (String) -> Bool = isText
  ) throws(TrainingError) {
    for name in try names(in: folder) where isRead(name) {
      hash.update(text: "\(name)\n")
      do throws(FileError) {
        try AtomicFile.read("\(folder)/\(name)").withUnsafeBytes { hash.update($0) }
      } catch {
        throw .model(error.description)
      }
    }
  }

  private static func isText(_ name: String) -> Bool {
    (name.hasSuffix(".json") || name.hasSuffix(".txt")) && !name.contains(".safetensors")
  }

  /// Configuration and tokenizer of a reward's network.
  private static let networkFiles: Set = [
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt",
  ]

  /// The digest of the files of a reward's network. Others of its folder may come and go.
  ///
  /// - Throws: `TrainingError.model`.
  static func digest(of network: NetworkFiles) throws(TrainingError) -> String {
    var hash = SHA256()
    try add(filesOf: network.folder, to: &hash) { networkFiles.contains($0) }
    let files: [[String: Tensor]]
    do throws(SafetensorsError) {
      files = try network.tensors()
    } catch {
      throw .model(error.description)
    }
    for tensors in files {
      for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
        add(name, tensor, to: &hash, wholeTables: false)
      }
    }
    return hash.digest()
  }

  /// The names in a folder, in order; empty if it does not exist.
  private static func names(in folder: String) throws(TrainingError) -> [String] {
    do throws(FileError) {
      return try FileTree.isFolder(folder) ? FileTree.names(in: folder) : []
    } catch {
      throw .model(error.description)
    }
  }

  /// Adds a tensor of a weights file.
  ///
  /// - Parameter wholeTables: whether every element of a table of token embeddings counts.
  static func add(
    _ name: String, _ tensor: Tensor, to hash: inout SHA256, wholeTables: Bool = true
  ) {
    hash.update(text: "\(name) \(tensor.dtype) \(tensor.shape)\n")
    let isTable = wholeTables && tables.contains { name.hasSuffix($0) }
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
