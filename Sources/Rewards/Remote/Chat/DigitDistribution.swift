import Foundation
package import Foundations

/// The probabilities that a chat model gives to the digits 0...`largest` as the first token of its
/// answer.
///
/// The score is the expected digit, as in UniWorld-V2 (arXiv 2510.16888, equations 10 and 11):
/// softmax over the digits' logits, then the expectation divided by the largest digit. UniWorld-V2
/// reads the logits of all digits in the model; a chat service gives the log probabilities of the
/// most probable tokens alone, so a digit that is not among them counts as 0.
package struct DigitDistribution: Equatable {
  /// Answers with less probability on digits have no score: most of the model's answers would be
  /// something else.
  package static let leastMass = 0.1
  /// The number of tokens whose probabilities are asked for; OpenAI's largest, and vLLM's by
  /// default.
  static let tokens = 20

  /// One per digit; together at most 1. Several tokens of one digit, such as `4` and ` 4`, are
  /// summed.
  package let probabilities: [Double]

  /// The probability that the first token is a digit.
  package var mass: Double { probabilities.reduce(0, +) }

  /// The expected digit, given that the token is one, over the largest digit; 0...1.
  package var score: Double {
    let sum = probabilities.enumerated().reduce(0) { $0 + Double($1.offset) * $1.element }
    return sum / mass / Double(probabilities.count - 1)
  }

  /// - Parameters:
  ///   - choice: an item of `choices`, with `logprobs`.
  ///   - largest: the largest digit, 1...9.
  /// - Throws: `RemoteFault` for an answer without log probabilities, with one that is no number or
  ///   above 0, with more than 1 on digits together, and with less than ``leastMass``.
  package init(_ choice: JSONValue, largest: Int) throws(RemoteFault) {
    guard let first = choice["logprobs"]?["content"]?.array?.first,
      let tokens = first["top_logprobs"]?.array, !tokens.isEmpty
    else {
      throw .transient(
        .noLogprobs,
        detail: "the answer has no logprobs.content[0].top_logprobs: the server or its model gives "
          + "no log probabilities; use read: pattern")
    }
    var probabilities = [Double](repeating: 0, count: largest + 1)
    for token in tokens {
      let text = token["token"]?.string ?? ""
      guard let digit = Self.digit(text), digit <= largest else { continue }
      probabilities[digit] += try Self.probability(token)
    }
    self.probabilities = probabilities
    guard mass < 1.01 else {
      throw .transient(
        .badAnswer, detail: "the answer's probabilities of digits add up to \(mass)")
    }
    if mass < Self.leastMass {
      let best = (tokens[0]["token"] ?? .null).messageText.oneLine(limit: 40)
      throw .transient(
        .noDigit,
        detail: "the first token is a digit 0...\(largest) with probability "
          + "\((mass * 1000).rounded() / 1000), below \(Self.leastMass), and the first one listed "
          + "is \(best); the question must ask for the digit alone")
    }
  }

  /// The digit of a token that is a digit alone, after white space or the marks that some
  /// tokenizers write for a space: `▁` of SentencePiece, `Ġ` of byte-level BPE.
  private static func digit(_ token: String) -> Int? {
    let text = token.drop { $0.isWhitespace || $0 == "▁" || $0 == "Ġ" }
    guard text.utf8.count == 1, let byte = text.utf8.first, (0x30...0x39).contains(byte) else {
      return nil
    }
    return Int(byte - 0x30)
  }

  private static func probability(_ token: JSONValue) throws(RemoteFault) -> Double {
    guard let logarithm = token["logprob"]?.number, !(logarithm > 1e-3) else {
      let found = (token["logprob"] ?? .null).messageText.oneLine(limit: 40)
      throw .transient(
        .badAnswer, detail: "the answer has the log probability \(found), no number up to 0")
    }
    guard !logarithm.isNaN else {
      throw .transient(.notFinite, detail: "the answer has the log probability NaN")
    }
    return exp(logarithm)
  }
}
