/// What the text encoders leave out of a prompt that is longer than CLIP's tokens.
public struct PromptTruncation: Sendable, Hashable {
  /// Tokens that the CLIP encoders take of it.
  public var clipTokens: Int
  /// Whether T5 takes all of it; nil for a model without T5.
  public var t5IsWhole: Bool?

  public init(clipTokens: Int, t5IsWhole: Bool?) {
    self.clipTokens = clipTokens
    self.t5IsWhole = t5IsWhole
  }
}

extension PromptTruncation {
  /// The value as a word of a file's metadata: `77`, `77 t5-whole` or `77 t5-truncated`.
  public var text: String {
    "\(clipTokens)" + (t5IsWhole.map { $0 ? " t5-whole" : " t5-truncated" } ?? "")
  }

  /// The value of such a word; nil when it is none.
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

  /// One line on the truncated ones among `count` prompts; nil when there are none.
  ///
  /// - Parameter maxSequenceLength: tokens that T5 takes.
  public static func notice(
    _ truncated: [PromptTruncation], of count: Int, maxSequenceLength: Int
  ) -> String? {
    guard let first = truncated.first else { return nil }
    let start =
      "\(truncated.count) of \(count) prompt\(count == 1 ? " is" : "s are") longer than the "
      + "\(first.clipTokens) tokens of the CLIP text encoders, which take the beginning alone"
    guard first.t5IsWhole != nil else { return "\(start); without T5 nothing takes the rest" }
    let whole = truncated.count { $0.t5IsWhole == true }
    let extent =
      whole == truncated.count
      ? "takes all of them whole" : "takes \(whole) of these \(truncated.count) whole"
    return "\(start); T5, with max_sequence_length \(maxSequenceLength), \(extent)"
  }
}
