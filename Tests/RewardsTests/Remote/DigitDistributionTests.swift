import Foundation
import Foundations
import Rewards
import Testing

@Suite struct DigitDistributionTests {
  /// A choice whose first token has these candidates.
  private func choice(_ tokens: [(String, JSONValue)]) -> JSONValue {
    let candidates = tokens.map { token, logarithm -> JSONValue in
      ["token": .string(token), "logprob": logarithm, "bytes": .null]
    }
    let first: JSONValue = [
      "token": .string(tokens.first?.0 ?? ""), "logprob": -0.1, "top_logprobs": .array(candidates),
    ]
    return [
      "message": ["role": "assistant", "content": "4"], "finish_reason": "length",
      "logprobs": ["content": [first]],
    ]
  }

  private func logs(_ tokens: [(String, Double)]) -> JSONValue {
    choice(tokens.map { ($0, .double(log($1))) })
  }

  /// The reason why there is no score.
  private func reason(_ choice: JSONValue, largest: Int = 5) -> String? {
    do throws(RemoteFault) {
      _ = try DigitDistribution(choice, largest: largest)
      return nil
    } catch {
      guard case .transient(let reason, _, _) = error else { return "permanent" }
      return reason.rawValue
    }
  }

  @Test func `the score is the expectation over the digits, over the largest`() throws {
    let digits = try DigitDistribution(
      logs([("4", 0.5), ("5", 0.25), ("3", 0.125), ("0", 0.125)]), largest: 5)
    #expect(abs(digits.mass - 1) < 1e-12)
    #expect(abs(digits.score - (4 * 0.5 + 5 * 0.25 + 3 * 0.125) / 5) < 1e-12)
  }

  @Test(arguments: [(5, 1.0), (0, 0.0)])
  func `a certain digit gives its own share of the largest`(digit: Int, score: Double) throws {
    #expect(try DigitDistribution(logs([("\(digit)", 1)]), largest: 5).score == score)
  }

  @Test func `probabilities of other tokens are left out and the rest is renormalized`() throws {
    let digits = try DigitDistribution(
      logs([("Sure", 0.6), ("4", 0.3), ("2", 0.1), ("10", 0.05), ("4.5", 0.02), ("７", 0.01)]),
      largest: 5)
    #expect(abs(digits.mass - 0.4) < 1e-12)
    #expect(abs(digits.score - (4 * 0.75 + 2 * 0.25) / 5) < 1e-12)
  }

  @Test func `tokens of one digit are summed, with white space and the marks for it`() throws {
    let digits = try DigitDistribution(
      logs([("4", 0.2), (" 4", 0.1), ("▁4", 0.1), ("Ġ4", 0.05), ("\n4", 0.05), ("▁1", 0.5)]),
      largest: 5)
    let expected = [0, 0.5, 0, 0, 0.5, 0]
    #expect(zip(digits.probabilities, expected).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(abs(digits.score - 0.5) < 1e-12)
  }

  @Test func `the largest digit limits the digits and divides the score`() throws {
    let answer = logs([("9", 0.5), ("4", 0.5)])
    #expect(abs(try DigitDistribution(answer, largest: 9).score - 6.5 / 9) < 1e-12)
    let five = try DigitDistribution(answer, largest: 5)
    #expect(abs(five.mass - 0.5) < 1e-12 && abs(five.score - 0.8) < 1e-12)
    #expect(try DigitDistribution(logs([("1", 0.25), ("0", 0.75)]), largest: 1).score == 0.25)
  }

  @Test func `a token that is impossible has probability 0`() throws {
    let answer = choice([
      ("3", 0), ("2", .double(-.infinity)), ("1", -9999), ("Sure", .null), ("No", .double(.nan)),
    ])
    #expect(try DigitDistribution(answer, largest: 5).score == 0.6)
  }

  @Test func `less than a tenth on digits is no score`() throws {
    #expect(reason(logs([("Sure", 0.9), ("4", 0.099)])) == "first token is no digit")
    #expect(reason(logs([("Sure", 0.9)])) == "first token is no digit")
    #expect(reason(logs([("7", 1)])) == "first token is no digit")
    let enough = try DigitDistribution(logs([("Sure", 0.8), ("4", 0.101)]), largest: 5)
    #expect(abs(enough.score - 0.8) < 1e-12)
  }

  @Test func `an answer without log probabilities is no score`() {
    let message: JSONValue = ["content": "4"]
    let answers: [JSONValue] = [
      ["message": message], ["message": message, "logprobs": .null],
      ["message": message, "logprobs": ["content": .null]],
      ["message": message, "logprobs": ["content": []]],
      ["message": message, "logprobs": ["content": [["token": "4", "logprob": -0.1]]]],
      choice([]),
    ]
    for answer in answers { #expect(reason(answer) == "no log probabilities", "\(answer)") }
  }

  @Test func `a log probability that is no number, above 0 or NaN is never a score`() {
    #expect(reason(choice([("4", .null)])) == "bad answer")
    #expect(reason(choice([("4", "-0.1")])) == "bad answer")
    #expect(reason(choice([("4", 0.5)])) == "bad answer")
    #expect(reason(choice([("4", .double(.infinity))])) == "bad answer")
    #expect(reason(choice([("4", .double(.nan))])) == "not a finite number")
    #expect(reason(choice([("4", -0.1), (" 4", -0.1)])) == "bad answer", "1.8 in total")
  }
}
