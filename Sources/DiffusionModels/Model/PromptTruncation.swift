/// The truncation of a prompt that is longer than CLIP's tokens.
public struct PromptTruncation: Sendable, Hashable {
  /// The number of tokens that the CLIP encoders use.
  public var clipTokens: Int
  /// Whether T5 uses the whole prompt; nil for a model without T5.
  public var t5IsWhole: Bool?

  public init(clipTokens: Int, t5IsWhole: Bool?) {
    self.clipTokens = clipTokens
    self.t5IsWhole = t5IsWhole
  }
}

extension PromptTruncation {
  /// The value as text in a file's metadata: `77`, `77 t5-whole` or `77 t5-truncated`.
  public var text: String {
    "\(clipTokens)" + (t5IsWhole.map { $0 ? " t5-whole" : " t5-truncated" } ?? "")
  }

  /// Parses the text; nil if it is malformed.
  public init?(text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard let count = words.first.flatMap({ Int($0) }) else { return nil }
    switch words.dropFirst() {
    case []: self.init(clipTokens: count, t5IsWhole: nil)
    case ["t5-whole"]: self.init(clipTokens: count, t5IsWhole: true)
    case ["t5-truncated"]: self.init(clipTokens: count, t5IsWhole: false)
    default: return nil
    }
  }

  /// One line about the truncated ones among `count` prompts; nil if there are none.
  ///
  /// - Parameter maxSequenceLength: tokens of a prompt for T5.
  public static func notice(
    _ truncated: [PromptTruncation], of count: Int, maxSequenceLength: Int
  ) -> String? {
    guard let first = truncated.first else { return nil }
    let start =
      "\(truncated.count) of \(count) prompt\(count == 1 ? " is" : "s are") longer than the "
      + "\(first.clipTokens) tokens of the CLIP text encoders, which truncate "
      + (truncated.count == 1 ? "it" : "them")
    guard first.t5IsWhole != nil else { return "\(start); without T5 the rest is ignored" }
    let whole = truncated.count { $0.t5IsWhole == true }
    let extent =
      whole == truncated.count
      ? "encodes all of them whole" : "encodes \(whole) of these \(truncated.count) whole"
    return "\(start); T5, with max_sequence_length \(maxSequenceLength), \(extent)"
  }
}
