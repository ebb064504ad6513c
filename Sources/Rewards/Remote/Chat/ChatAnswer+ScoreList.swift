internal import Foundations

extension ChatAnswer {
  /// The list of numbers under `score` in an answer of the form `{"score": [20, 22]}`.
  ///
  /// The object may stand in a code fence or between prose, and may break JSON's rules, as by
  /// quotes inside of a text or a comma before a bracket: the last list that follows `score` and a
  /// colon or an equals sign counts, or an answer that is a list alone. Nil for another count of
  /// items, an item that is no plain number (a text, a fraction, NaN), a number outside of
  /// `range`, and a list that is cut off.
  package func scoreList(count: Int, in range: ClosedRange<Double>) -> [Double]? {
    guard let list = jsonScores ?? writtenScores, list.count == count,
      list.allSatisfy(range.contains)
    else { return nil }
    return list
  }

  /// The list in the answer's JSON object; nil without an object that has a key `score`, or before
  /// another list of scores, and empty for a value that is no list of numbers.
  private var jsonScores: [Double]? {
    guard let start = text.firstIndex(of: "{"), let end = text.lastIndex(of: "}"), start < end,
      let object = Self.parsed(text[start...end]), let scores = object["score"],
      Self.openings(in: text[end...]).isEmpty
    else { return nil }
    let numbers = (scores.array ?? []).map(\.number)
    return numbers.contains(nil) ? [] : numbers.compactMap(\.self)
  }

  /// Where lists begin after `score` and a colon or an equals sign, up to their brackets.
  private static func openings(in text: Substring) -> [Range<String.Index>] {
    text.ranges(
      of: /(?:^|[^\p{L}\p{N}_])score["'”*`]*\s*[:=：][\s*`]*\[/.ignoresCase())
  }

  private static func parsed(_ text: Substring) -> JSONValue? {
    do throws(JSONParser.Failure) {
      return try JSONParser.parse(Array(text.utf8)[...])
    } catch {
      return nil
    }
  }

  /// The last list after `score`, or the list that is the whole answer; empty for one that is cut
  /// off or holds more than plain numbers.
  private var writtenScores: [Double]? {
    let whole = /\s*(?:```\w*\s*)?\[([^\[\]]*)\]\s*(?:```\s*)?/
    let items: Substring
    if let last = Self.openings(in: text[...]).last {
      let rest = text[last.upperBound...]
      guard let end = rest.firstIndex(of: "]") else { return [] }
      items = rest[..<end]
    } else if let match = text.wholeMatch(of: whole) {
      items = match.output.1
    } else {
      return nil
    }
    var words = items.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
    if words.last == "" { words.removeLast() }
    let numbers = words.map { word in
      word.wholeMatch(of: /-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/) == nil ? nil : Double(word)
    }
    return numbers.contains(nil) ? [] : numbers.compactMap(\.self)
  }
}
