internal import DiffusionPipelines
internal import Runs
internal import Torch

/// One file of encoded prompts: safetensors with `<key>.clip`, `<key>.t5` and `<key>.pooled` of
/// each prompt, and in its metadata a checksum for each key and, under `<key>.truncated`, what the
/// encoders left out of a long prompt.
struct EmbeddingShard {
  private let file: SafetensorsFile

  /// - Throws: `SafetensorsError` for a file that is cut or malformed.
  init(path: String) throws(SafetensorsError) { file = try SafetensorsFile(path: path) }

  /// What stands for a prompt: the SHA-256 of its UTF-8 bytes. Texts that Swift calls equal may
  /// differ in their tokens.
  static func key(_ prompt: String) -> String { SHA256.digest(of: prompt.utf8) }

  /// The keys of the prompts in the file.
  var keys: [String] { file.metadata.keys.filter { !$0.hasSuffix(Self.truncated) } }

  /// What was left out of those prompts that are too long, by their keys.
  var truncations: [String: PromptTruncation] {
    var truncations: [String: PromptTruncation] = [:]
    for (name, text) in file.metadata where name.hasSuffix(Self.truncated) {
      truncations[String(name.dropLast(Self.truncated.count))] = PromptTruncation(text: text)
    }
    return truncations
  }

  private static let truncated = ".truncated"

  /// Where a batch of prompts is written: two processes that encode it write the same file.
  static func path(of keys: [String], in folder: String) -> String {
    "\(folder)/\(SHA256.digest(of: keys.joined().utf8).prefix(32)).safetensors"
  }

  /// Writes a batch, in one step.
  static func write(
    _ embeddings: PromptEmbeddings, keys: [String], truncations: [String: PromptTruncation],
    to path: String
  ) throws(SafetensorsError) {
    var tensors: [(String, Tensor)] = []
    var metadata: [String: String] = [:]
    for (index, key) in keys.enumerated() {
      let parts = embeddings.parts.map { name, tensor in
        (name, tensor.narrowed(dim: 0, start: index, length: 1).to(.cpu).contiguous())
      }
      metadata[key] = checksum(of: parts)
      metadata[key + truncated] = truncations[key]?.text
      tensors += parts.map { ("\(key).\($0.0)", $0.1) }
    }
    try Safetensors.write(tensors, metadata: metadata, to: path)
  }

  /// What was made of one prompt, in the file's memory. B is 1.
  ///
  /// - Throws: `SafetensorsError.missingKey`, `.invalidEntry` when the checksum differs.
  func embeddings(of key: String) throws(SafetensorsError) -> PromptEmbeddings {
    let clip = try file.tensor("\(key).clip")
    let t5 = file.keys.contains("\(key).t5") ? try file.tensor("\(key).t5") : nil
    let pooled = try file.tensor("\(key).pooled")
    guard
      clip.rank == 3, pooled.rank == 2,
      case let embeddings = PromptEmbeddings(clip: clip, t5: t5, pooled: pooled),
      Self.checksum(of: embeddings.parts) == file.metadata[key]
    else {
      throw .invalidEntry(path: file.path, key: key, problem: "its checksum differs")
    }
    return embeddings
  }

  /// The SHA-256 of names, types, shapes and bytes.
  private static func checksum(of parts: [(String, Tensor)]) -> String {
    var hash = SHA256()
    for (name, tensor) in parts {
      Array("\(name) \(tensor.dtype) \(tensor.shape)\n".utf8).withUnsafeBytes { hash.update($0) }
      tensor.withBytes { hash.update($0) }
    }
    return hash.digest()
  }
}

extension PromptEmbeddings {
  /// The tensors by the ends of their names.
  fileprivate var parts: [(String, Tensor)] {
    [("clip", clip)] + (t5.map { [("t5", $0)] } ?? []) + [("pooled", pooled)]
  }
}
