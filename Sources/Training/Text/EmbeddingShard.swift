internal import DiffusionModels
internal import Foundations
internal import Torch

/// One file of encoded prompts: safetensors with `<key>.<name>` for each tensor of a prompt. The
/// metadata holds a checksum for each key and, under `<key>.truncated`, the truncation of a long
/// prompt.
struct EmbeddingShard {
  private let file: SafetensorsFile

  /// - Throws: `SafetensorsError` for a truncated or malformed file.
  init(path: String) throws(SafetensorsError) { file = try SafetensorsFile(path: path) }

  /// The keys of the prompts in the file.
  var keys: [String] { file.metadata.keys.filter { !$0.hasSuffix(Self.truncated) } }

  /// The truncation of prompts that are too long, by their keys.
  var truncations: [String: PromptTruncation] {
    var truncations: [String: PromptTruncation] = [:]
    for (name, text) in file.metadata where name.hasSuffix(Self.truncated) {
      truncations[String(name.dropLast(Self.truncated.count))] = PromptTruncation(text: text)
    }
    return truncations
  }

  private static let truncated = ".truncated"

  /// The path of a batch of prompts: two processes that encode the same batch write the same file.
  static func path(of keys: [String], in folder: String) -> String {
    "\(folder)/\(SHA256.digest(of: keys.joined().utf8).prefix(32)).safetensors"
  }

  /// Writes a batch, in one step.
  static func write(
    _ embeddings: [PromptEmbeddings], keys: [String], truncations: [String: PromptTruncation],
    to path: String
  ) throws(SafetensorsError) {
    var tensors: [(String, Tensor)] = []
    var metadata: [String: String] = [:]
    for (key, entry) in zip(keys, embeddings) {
      let parts = entry.tensors.map { ($0.name, $0.tensor.to(.cpu).contiguous()) }
      metadata[key] = checksum(of: parts)
      metadata[key + truncated] = truncations[key]?.text
      tensors += parts.map { ("\(key).\($0.0)", $0.1) }
    }
    try Safetensors.write(tensors, metadata: metadata, to: path)
  }

  /// Copies the embeddings of one prompt, because another process may change the file.
  ///
  /// - Throws: `SafetensorsError.missingKey`, or `.invalidEntry` if the checksum differs.
  func embeddings(of key: String) throws(SafetensorsError) -> PromptEmbeddings {
    var parts: [(name: String, tensor: Tensor)] = []
    for name in file.keys.sorted() where name.hasPrefix("\(key).") {
      parts.append((String(name.dropFirst(key.count + 1)), try file.tensor(name)))
    }
    guard !parts.isEmpty else {
      throw .missingKey(path: file.path, key: key)
    }
    guard Self.checksum(of: parts.map { ($0.name, $0.tensor) }) == file.metadata[key] else {
      throw .invalidEntry(path: file.path, key: key, problem: "its checksum differs")
    }
    return PromptEmbeddings(parts.map { ($0.name, $0.tensor.clone()) })
  }

  /// The SHA-256 of names, types, shapes and bytes.
  private static func checksum(of parts: [(String, Tensor)]) -> String {
    var hash = SHA256()
    for (name, tensor) in parts.sorted(by: { $0.0 < $1.0 }) {
      Array("\(name) \(tensor.dtype) \(tensor.shape)\n".utf8).withUnsafeBytes { hash.update($0) }
      tensor.withBytes { hash.update($0) }
    }
    return hash.digest()
  }
}
