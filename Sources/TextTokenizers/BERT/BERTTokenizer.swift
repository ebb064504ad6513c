/// BERT's uncased WordPiece tokenizer, with the ids of transformers' `BertTokenizer`.
public struct BERTTokenizer: Sendable {
  /// The padding id.
  public let padID: Int
  /// The number of ids, added tokens included.
  public let vocabularyCount: Int

  /// The tokens that begin a word, and the tokens that continue one, without their `##`.
  private let beginnings: ScalarTrie
  private let continuations: ScalarTrie
  private let startID: Int
  private let endID: Int
  private let unknownID: Int
  private let specials: AddedTokens

  /// Longer words are unknown.
  private static let longestWord = 100

  /// Reads `vocab.txt`, one token per line.
  ///
  /// - Parameter extra: special tokens that get the ids after all others, in order.
  public init(folder: String, adding extra: [String] = []) throws(TokenizerError) {
    let path = "\(folder)/vocab.txt"
    var ids: [[Unicode.Scalar]: Int] = [:]
    var beginnings = ScalarTrie()
    var continuations = ScalarTrie()
    var lines = String(decoding: try TokenizerFile.bytes(path), as: UTF8.self).unicodeScalars
      .split(separator: "\n", omittingEmptySubsequences: false).map(Array.init)
    if lines.last?.isEmpty == true { lines.removeLast() }
    for (id, line) in lines.enumerated() {
      guard ids.updateValue(id, forKey: line) == nil else {
        throw .malformed(path: path, reason: "line \(id + 1): '\(String(line))' is a duplicate")
      }
      if line.starts(with: "##".unicodeScalars), line.count > 2 {
        continuations.insert(line.dropFirst(2), id)
      }
      beginnings.insert(line, id)
    }
    var specials = AddedTokens()
    func special(_ name: String) throws(TokenizerError) -> Int {
      guard let id = ids[Array(name.unicodeScalars)] else {
        throw .missingToken(path: path, token: name)
      }
      let token = AddedToken(name)
      specials.insert(token, as: token.content, id: id)
      return id
    }
    padID = try special("[PAD]")
    unknownID = try special("[UNK]")
    startID = try special("[CLS]")
    endID = try special("[SEP]")
    _ = try special("[MASK]")
    for (offset, name) in extra.enumerated() {
      let token = AddedToken(name)
      specials.insert(token, as: token.content, id: lines.count + offset)
    }
    vocabularyCount = lines.count + extra.count
    self.beginnings = beginnings
    self.continuations = continuations
    self.specials = specials
  }

  /// The ids of a prompt between `[CLS]` and `[SEP]`, without truncation or padding.
  ///
  /// Linear in the length of `text`.
  public func encode(_ text: String) -> [Int] { [startID] + content(text) + [endID] }

  /// The ids of ``encode(_:)``, truncated or padded to `length`.
  public func padded(_ ids: [Int], to length: Int) -> [Int] {
    paddedIDs(ids, to: length, end: endID, padding: padID)
  }

  private func content(_ text: String) -> [Int] {
    let scalars = Array(text.unicodeScalars)
    return specials.parts(of: scalars).flatMap { part -> [Int] in
      switch part {
      case .token(let id): return [id]
      case .text(let range): return BERTTextCleaning.words(scalars[range]).flatMap(pieces)
      }
    }
  }

  /// The longest token that begins the word, then the longest that continues it, and so on. A word
  /// without such a cover is unknown.
  private func pieces(_ word: [Unicode.Scalar]) -> [Int] {
    guard word.count <= Self.longestWord else { return [unknownID] }
    var ids: [Int] = []
    var position = 0
    while position < word.count {
      let tokens = position == 0 ? beginnings : continuations
      guard let found = tokens.longestPrefix(of: word[position...]) else { return [unknownID] }
      ids.append(found.value)
      position = found.end
    }
    return ids
  }
}
