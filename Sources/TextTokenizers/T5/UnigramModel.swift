import Foundations

/// A vocabulary of tokens with scores, and the segmentation of a text with the highest score
/// (arXiv 1804.10959; the `Unigram` model of `tokenizer.json`).
struct UnigramModel: Sendable {
  /// The number of tokens.
  let count: Int
  /// The id of unknown text.
  let unknownID: Int
  private let trie: ScalarTrie
  /// Logarithms of probabilities, by id.
  private let scores: [Double]
  private let unknownScore: Double
  /// The ids of the tokens `<0x00>`...`<0xFF>` that replace unknown text; nil without byte
  /// fallback.
  private let byteIDs: [Int]?

  /// Reads the member `model`.
  init(_ model: JSONField) throws(TokenizerError) {
    let type = try model["type"].string()
    guard type == "Unigram" else { throw model["type"].unsupported("'\(type)' is not 'Unigram'") }
    try model.allowOnly(["type", "unk_id", "vocab", "byte_fallback"])
    var trie = ScalarTrie()
    var scores: [Double] = []
    for entry in try model["vocab"].elements() {
      guard case .array(let pair) = entry.value, pair.count == 2, case .string(let token) = pair[0],
        let score = pair[1].number
      else { throw entry.wrong("a token and its score") }
      trie.insert(token.unicodeScalars, scores.count)
      scores.append(score)
    }
    unknownID = try model["unk_id"].integer()
    guard scores.indices.contains(unknownID) else {
      throw model["unk_id"].unsupported("\(unknownID) is not an id of the vocabulary")
    }
    unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
    byteIDs =
      try model["byte_fallback"].flag(or: false) ? Self.byteIDs(trie, model) : nil
    count = scores.count
    self.trie = trie
    self.scores = scores
  }

  /// The score of an unknown scalar is lower than that of the least likely token by this amount.
  private static let unknownPenalty = 10.0

  private static func byteIDs(
    _ trie: ScalarTrie, _ model: JSONField
  ) throws(TokenizerError) -> [Int] {
    var ids: [Int] = []
    for byte in UInt8.min...UInt8.max {
      let name = "<0x\(byte.digits(2, radix: 16, uppercase: true))>"
      guard let id = trie.value(of: name.unicodeScalars) else {
        throw .missingToken(path: model.path, token: name)
      }
      ids.append(id)
    }
    return ids
  }

  /// The id of a token.
  func id(of token: [Unicode.Scalar]) -> Int? { trie.value(of: token) }

  /// The ids of the segmentation with the highest score. Neighboring unknown scalars are one token.
  ///
  /// Linear in the length of `text`, times the length of the longest token.
  func encode(_ text: [Unicode.Scalar]) -> [Int] {
    let best = bestCuts(text)
    var ids: [Int] = []
    var end = text.count
    var unknownEnd: Int?
    while end > 0 {
      let cut = best[end]
      if cut.id == unknownID {
        unknownEnd = unknownEnd ?? end
      } else {
        if let last = unknownEnd { ids += unknown(text[end..<last]).reversed() }
        unknownEnd = nil
        ids.append(cut.id)
      }
      end = cut.start
    }
    if let last = unknownEnd { ids += unknown(text[..<last]).reversed() }
    return ids.reversed()
  }

  /// The last token of the best segmentation of a prefix of the text.
  private struct Cut {
    var score = 0.0
    var start = -1
    var id = 0
  }

  /// By the length of the prefix. Of equal scores, the one with the longer last token is kept.
  private func bestCuts(_ text: [Unicode.Scalar]) -> [Cut] {
    var best = [Cut](repeating: Cut(), count: text.count + 1)
    func offer(_ id: Int, _ score: Double, from start: Int, to end: Int) {
      let total = score + best[start].score
      if best[end].start < 0 || total > best[end].score {
        best[end] = Cut(score: total, start: start, id: id)
      }
    }
    for start in text.indices {
      var isCovered = false
      var node = ScalarTrie.root
      for index in start..<text.count {
        guard let next = trie.child(of: node, text[index]) else { break }
        node = next
        guard let id = trie.value(at: node) else { continue }
        offer(id, scores[id], from: start, to: index + 1)
        if index == start { isCovered = true }
      }
      if !isCovered { offer(unknownID, unknownScore, from: start, to: start + 1) }
    }
    return best
  }

  private func unknown(_ text: ArraySlice<Unicode.Scalar>) -> [Int] {
    if let id = trie.value(of: text) { return [id] }
    guard let byteIDs else { return [unknownID] }
    return text.flatMap { scalar in UTF8.encode(scalar)?.map { byteIDs[Int($0)] } ?? [unknownID] }
  }
}
