package import Foundation
package import Foundations

/// The answer of a chat service, without the model's reasoning.
package struct ChatAnswer: Equatable {
  /// The text after the reasoning.
  package let text: String
  /// Whether the answer was cut off at the token limit.
  package let isCut: Bool
  /// Whether the last word of `text` may be incomplete.
  private let endsInside: Bool

  /// - Parameter choice: an item of `choices`. The content of its message is a text, a list of
  ///   parts whose texts are joined, or null for a model that reached the token limit in its
  ///   reasoning.
  package init(_ choice: JSONValue) {
    let content = Self.content(choice["message"]?["content"] ?? .null)
    let said = Self.withoutReasoning(content)
    text = String(said)
    isCut = choice["finish_reason"] == "length"
    endsInside = isCut && said.endIndex == content.endIndex
  }

  /// The fault of an answer that holds no score.
  var noScore: RemoteFault {
    let cut = isCut ? ", which was cut off," : ""
    return .transient(.noMatch, detail: "the answer\(cut) holds no score: \(text.suffix(200))")
  }

  private static func content(_ value: JSONValue) -> String {
    if let text = value.string { return text }
    return (value.array ?? []).compactMap { part in
      if let text = part.string { return text }
      return ["text", "output_text"].contains(part["type"]) ? part["text"]?.string : nil
    }.joined()
  }

  /// The text after the last end mark of reasoning, up to the next start mark.
  ///
  /// Servers without a reasoning parser leave these marks in the text: `<think>` of
  /// Qwen and DeepSeek, `[THINK]` of Magistral, `◁think▷` of Kimi-VL.
  private static func withoutReasoning(_ text: String) -> Substring {
    let ends = text.ranges(of: /<\/think(?:ing)?>|\[\/THINK\]|◁\/think▷/.ignoresCase())
    let said = text[(ends.last?.upperBound ?? text.startIndex)...]
    let begin = said.firstRange(of: /<think(?:ing)?>|\[THINK\]|◁think▷/.ignoresCase())
    return said[..<(begin?.lowerBound ?? said.endIndex)]
  }

  /// The number in the first group of the pattern's last match, since a model may repeat the form
  /// of the answer before the answer. Nil when the group is only a part of a number, or may be cut
  /// off.
  package func score(pattern: NSRegularExpression) -> Double? {
    let matches = pattern.matches(in: text, range: NSRange(text.startIndex..., in: text))
    guard let match = matches.last, let group = Range(match.range(at: 1), in: text),
      let score = Double(text[group]), score.isFinite
    else { return nil }
    let before = text[..<group.lowerBound].suffix(3)
    let after = text[group.upperBound...]
    if Self.continuesNumber(after) || Self.beginsNumber(before) { return nil }
    // The number may be cut off.
    if endsInside, after.wholeMatch(of: /[-+.,eE\s]*/) != nil { return nil }
    return score
  }

  /// Whether the text goes on with more of a number: a digit, decimals after a point or a comma, an
  /// exponent, the end of a range, thousands, a power of ten, or a fraction such as ½.
  private static func continuesNumber(_ text: Substring) -> Bool {
    let digits = /\d|[.,٫]\d|[eE][-+]?\d|[-–—]\d|['’\u{A0}\u{2009}\u{202F}]\d{3}|\p{No}/
    let power = /\s?[×x*·]\s?10\s?\^/
    return text.prefixMatch(of: digits) != nil || text.prefixMatch(of: power) != nil
  }

  /// Whether the text ends within a number.
  private static func beginsNumber(_ text: Substring) -> Bool {
    text.firstMatch(of: /\d(?:[.,]|[eE][-+]?)?$/) != nil
  }
}
