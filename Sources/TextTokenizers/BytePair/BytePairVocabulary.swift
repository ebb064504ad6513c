/// The tokens of a byte-level vocabulary and the merges that build them.
///
/// A token is a run of characters of `ByteLevel`; at the end of a word it has the scheme's suffix.
public struct BytePairVocabulary: Sendable {
  /// The tokens as UTF-8, by id.
  let tokens: [[UInt8]]
  /// The pairs of `merges.txt`, lowest rank first.
  let merges: [(left: Int, right: Int)]
  private let wordEnd: [UInt8]
  private let ids: [[UInt8]: Int]
  private let mergeRules: [Pair: Merge]

  private struct Pair: Hashable {
    let left: Int
    let right: Int
  }

  private struct Merge {
    let rank: Int
    let result: Int
  }

  /// The number of tokens.
  public var count: Int { tokens.count }

  /// Checks that ids have no gaps and that every merge gives a token.
  init(
    _ files: BytePairVocabularyFiles, _ scheme: BytePairScheme
  ) throws(TokenizerError) {
    let (ids, path) = (files.ids, files.path)
    var tokens = [[UInt8]](repeating: [], count: ids.count)
    for (token, id) in ids {
      guard tokens.indices.contains(id), tokens[id].isEmpty else {
        throw .malformed(path: path, reason: "ids are not 0..<\(ids.count), each once")
      }
      tokens[id] = token
    }
    var merges: [(Int, Int)] = []
    for pair in files.merges {
      guard let left = ids[pair.left], let right = ids[pair.right] else {
        let name = String(decoding: pair.left + [0x20] + pair.right, as: UTF8.self)
        throw .missingToken(path: path, token: name)
      }
      merges.append((left, right))
    }
    try self.init(tokens: tokens, merges: merges, scheme, path: path)
  }

  /// `path` is the source of the merges in errors.
  init(
    tokens: [[UInt8]], merges: [(left: Int, right: Int)], _ scheme: BytePairScheme, path: String
  ) throws(TokenizerError) {
    wordEnd = scheme.wordEnd
    self.tokens = tokens
    self.merges = merges
    ids = Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($0.element, $0.offset) })
    var rules: [Pair: Merge] = [:]
    for (rank, (left, right)) in merges.enumerated() {
      let joined = tokens[left] + tokens[right]
      guard let result = ids[joined] else {
        throw .missingToken(path: path, token: String(decoding: joined, as: UTF8.self))
      }
      rules[Pair(left: left, right: right)] = Merge(rank: rank, result: result)
    }
    mergeRules = rules
  }

  /// The id of a token given as text.
  public func id(_ token: String) -> Int? { ids[Array(token.utf8)] }

  /// The ids of one word: the merge of lowest rank is applied until none applies.
  ///
  /// A byte without a token becomes `unknown`; nil drops it.
  func encode(word: [UInt8], unknown: Int?) -> [Int] {
    var symbols = BPEWord(
      word.enumerated().compactMap { index, byte in
        let character = ByteLevel.utf8[Int(byte)]
        return ids[index == word.count - 1 ? character + wordEnd : character] ?? unknown
      })
    symbols.mergeAll { left, right in
      mergeRules[Pair(left: left, right: right)].map { ($0.rank, $0.result) }
    }
    return symbols.remaining
  }
}
