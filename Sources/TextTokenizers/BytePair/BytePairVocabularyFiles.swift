import Foundations

/// The contents of vocabulary files: ids by token, and the merges as pairs of tokens.
struct BytePairVocabularyFiles {
  let ids: [[UInt8]: Int]
  let merges: [(left: [UInt8], right: [UInt8])]
  /// The file of the vocabulary.
  let path: String

  /// Reads `vocab.json`, an object of ids, and `merges.txt`, one pair per line.
  init(vocabularyPath: String, mergesPath: String) throws(TokenizerError) {
    path = vocabularyPath
    ids = try Self.ids(try TokenizerFile.json(vocabularyPath), path: vocabularyPath)
    let lines = try TokenizerFile.bytes(mergesPath).split(separator: UInt8(ascii: "\n"))
    var merges: [(left: [UInt8], right: [UInt8])] = []
    for line in lines where !line.starts(with: "#version".utf8) {
      merges.append(try Self.pair(Array(line.filter { $0 != 0x0D }), path: mergesPath))
    }
    self.merges = merges
  }

  /// Reads `tokenizer.json`, the only file that recent versions of transformers write. Its
  /// pre-tokenization must be the scheme's.
  init(tokenizerPath path: String, _ scheme: BytePairScheme) throws(TokenizerError) {
    self.path = path
    let file = try TokenizerFile.json(path)
    try scheme.check(file, path: path)
    let model = file["model"]
    ids = try Self.ids(model?["vocab"], path: path)
    guard case .array(let entries)? = model?["merges"] else {
      throw .malformed(path: path, reason: "'model.merges' is not a list")
    }
    var merges: [(left: [UInt8], right: [UInt8])] = []
    for entry in entries {
      switch entry {
      case .string(let line): merges.append(try Self.pair(Array(line.utf8), path: path))
      case .array(let halves):
        guard halves.count == 2, case .string(let left) = halves[0],
          case .string(let right) = halves[1]
        else { fallthrough }
        merges.append((Array(left.utf8), Array(right.utf8)))
      default:
        throw .malformed(path: path, reason: "'model.merges' has an entry that is not a pair")
      }
    }
    self.merges = merges
  }

  private static func ids(
    _ object: JSONValue?, path: String
  ) throws(TokenizerError) -> [[UInt8]: Int] {
    guard case .object(let members)? = object else {
      throw .malformed(path: path, reason: "the vocabulary is not an object")
    }
    var ids: [[UInt8]: Int] = [:]
    for member in members {
      guard let id = member.value.int else {
        throw .malformed(path: path, reason: "the id of '\(member.key)' is not a whole number")
      }
      ids[Array(member.key.utf8)] = id
    }
    return ids
  }

  private static func pair(
    _ line: [UInt8], path: String
  ) throws(TokenizerError) -> (left: [UInt8], right: [UInt8]) {
    let parts = line.split(separator: UInt8(ascii: " ")).map(Array.init)
    guard parts.count == 2 else {
      throw .malformed(
        path: path, reason: "'\(String(decoding: line, as: UTF8.self))' is not a pair")
    }
    return (parts[0], parts[1])
  }

  /// The text of a `vocab.json` from tokens in order of their ids.
  static func text(_ tokens: [[UInt8]]) -> [UInt8] {
    var text: [UInt8] = [UInt8(ascii: "{")]
    for (id, token) in tokens.enumerated() {
      if id > 0 { text += ", ".utf8 }
      text.append(UInt8(ascii: "\""))
      for byte in token {
        // Tokens are printable characters; only these two need an escape.
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
          text.append(UInt8(ascii: "\\"))
        }
        text.append(byte)
      }
      text += "\": \(id)".utf8
    }
    return text + "}\n".utf8
  }
}
