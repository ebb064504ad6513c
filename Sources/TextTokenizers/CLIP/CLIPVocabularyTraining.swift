extension BytePairVocabulary {
  /// Trains a vocabulary of CLIP's scheme by byte-pair encoding (arXiv 1508.07909): 256 bytes, the
  /// same with the word suffix, the merges, and the two special tokens last.
  ///
  /// The most frequent pair is merged first; of equally frequent pairs, the one whose bytes sort
  /// first. So the result depends only on the words and their counts.
  ///
  /// - Parameter mergeLimit: the most merges; training also ends when every word is one token.
  public static func train(
    on texts: some Sequence<String>, mergeLimit: Int
  ) throws(TokenizerError) -> BytePairVocabulary {
    let characters = ByteLevel.vocabularyOrder.map { ByteLevel.utf8[$0] }
    var tokens = characters + characters.map { $0 + BytePairScheme.clip.wordEnd }
    var merges: [(left: Int, right: Int)] = []
    var words = countedWords(texts, ids: ids(tokens))
    while merges.count < mergeLimit, let pair = mostFrequentPair(words, tokens) {
      let joined = tokens.count
      tokens.append(tokens[pair.left] + tokens[pair.right])
      merges.append((pair.left, pair.right))
      for index in words.indices { words[index].merge(pair, into: joined) }
    }
    tokens += [CLIPTokenizer.startOfText, CLIPTokenizer.endOfText].map { Array($0.utf8) }
    return try BytePairVocabulary(
      tokens: tokens, merges: merges, .clip, path: "trained vocabulary")
  }

  private struct Pair: Hashable {
    let left: Int
    let right: Int
  }

  private struct CountedWord {
    var symbols: [Int]
    let count: Int

    mutating func merge(_ pair: Pair, into joined: Int) {
      var index = 0
      while index + 1 < symbols.count {
        if symbols[index] == pair.left, symbols[index + 1] == pair.right {
          symbols[index] = joined
          symbols.remove(at: index + 1)
        }
        index += 1
      }
    }
  }

  private static func ids(_ tokens: [[UInt8]]) -> [[UInt8]: Int] {
    Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($0.element, $0.offset) })
  }

  private static func countedWords(
    _ texts: some Sequence<String>, ids: [[UInt8]: Int]
  ) -> [CountedWord] {
    var counts: [[UInt8]: Int] = [:]
    for text in texts {
      for word in CLIPTextCleaning.words(CLIPTextCleaning.normalized(text)) {
        counts[word, default: 0] += 1
      }
    }
    return counts.map { word, count in
      let symbols = word.enumerated().compactMap { index, byte in
        let character = ByteLevel.utf8[Int(byte)]
        return ids[index == word.count - 1 ? character + BytePairScheme.clip.wordEnd : character]
      }
      return CountedWord(symbols: symbols, count: count)
    }
  }

  private static func mostFrequentPair(_ words: [CountedWord], _ tokens: [[UInt8]]) -> Pair? {
    var counts: [Pair: Int] = [:]
    for word in words {
      for (left, right) in zip(word.symbols, word.symbols.dropFirst()) {
        counts[Pair(left: left, right: right), default: 0] += word.count
      }
    }
    return counts.max { first, second in
      guard first.value == second.value else { return first.value < second.value }
      return sortKey(second.key, tokens).lexicographicallyPrecedes(sortKey(first.key, tokens))
    }?.key
  }

  /// Both halves, separated by a byte that occurs in no token.
  private static func sortKey(_ pair: Pair, _ tokens: [[UInt8]]) -> [UInt8] {
    tokens[pair.left] + [0] + tokens[pair.right]
  }
}
