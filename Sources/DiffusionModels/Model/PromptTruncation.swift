/// The truncation of a prompt that is longer than the tokens of some text encoder.
public struct PromptTruncation: Sendable, Hashable {
  /// The encoders that truncate the prompt, such as `CLIP text encoders`.
  public var encoders: String
  /// The number of tokens that they use.
  public var tokens: Int
  /// The encoder with the most tokens, where it is another one.
  public var longest: Longest?

  /// The encoder with the most tokens.
  public struct Longest: Sendable, Hashable {
    /// Such as `T5`.
    public var encoder: String
    /// Whether it uses the whole prompt.
    public var isWhole: Bool

    public init(encoder: String, isWhole: Bool) {
      self.encoder = encoder
      self.isWhole = isWhole
    }
  }

  public init(encoders: String, tokens: Int, longest: Longest?) {
    self.encoders = encoders
    self.tokens = tokens
    self.longest = longest
  }
}

extension PromptTruncation {
  /// The value as text in a file's metadata: `CLIP text encoders|77`, and `|T5|whole` or
  /// `|T5|truncated` behind it.
  public var text: String {
    "\(encoders)|\(tokens)"
      + (longest.map { "|\($0.encoder)|\($0.isWhole ? "whole" : "truncated")" } ?? "")
  }

  /// Parses the text; nil if it is malformed.
  public init?(text: String) {
    let parts = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 4, let tokens = Int(parts[1]), !parts[0].isEmpty
    else { return nil }
    var longest: Longest?
    if parts.count == 4 {
      guard ["whole", "truncated"].contains(parts[3]), !parts[2].isEmpty else { return nil }
      longest = Longest(encoder: parts[2], isWhole: parts[3] == "whole")
    }
    self.init(encoders: parts[0], tokens: tokens, longest: longest)
  }

  /// One line about the truncated ones among `count` prompts of one model; nil if there are none.
  ///
  /// - Parameter maxSequenceLength: tokens of a prompt for the longest encoder.
  public static func notice(
    _ truncated: [PromptTruncation], of count: Int, maxSequenceLength: Int
  ) -> String? {
    let groups = Dictionary(grouping: truncated) { "\($0.encoders)|\($0.tokens)" }
    guard !groups.isEmpty else { return nil }
    return groups.sorted { $0.key < $1.key }
      .map { part($0.value[0], $0.value, of: count, maxSequenceLength) }.joined(separator: "; ")
  }

  /// About those that the encoders of `first` truncate.
  private static func part(
    _ first: PromptTruncation, _ truncated: [PromptTruncation], of count: Int,
    _ maxSequenceLength: Int
  ) -> String {
    let start =
      "\(truncated.count) of \(count) prompt\(count == 1 ? " is" : "s are") longer than the "
      + "\(first.tokens) tokens of the \(first.encoders), which truncate "
      + (truncated.count == 1 ? "it" : "them")
    guard let longest = first.longest else { return "\(start); the rest is ignored" }
    let whole = truncated.count { $0.longest?.isWhole == true }
    let extent =
      whole == truncated.count
      ? "encodes all of them whole" : "encodes \(whole) of these \(truncated.count) whole"
    return "\(start); \(longest.encoder), with max_sequence_length \(maxSequenceLength), \(extent)"
  }
}
