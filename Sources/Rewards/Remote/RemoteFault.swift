/// Why one attempt to get scores from a service failed.
package enum RemoteFault: Error, Equatable {
  /// Another attempt, or another sample, may succeed.
  ///
  /// - Parameters:
  ///   - detail: for people; names the service and holds no secret.
  ///   - retryAfter: the answer's Retry-After, in seconds.
  case transient(Reason, detail: String, retryAfter: Double? = nil)
  /// Every attempt fails until a person changes something.
  case permanent(detail: String)

  /// The fault of a request in a cancelled task.
  static let unwanted = RemoteFault.transient(
    .unreachable, detail: "the request is no longer wanted")

  /// The kinds of transient faults. Missing scores are counted by the raw values.
  package enum Reason: String, CaseIterable, Sendable {
    /// No connection, or one that broke: the service is down or being restarted.
    case unreachable
    /// The service answers that it is overloaded or starting.
    case busy
    /// No complete answer within the timeout.
    case timeout = "timed out"
    /// The service reports an error of its own.
    case serverError = "server error"
    /// The answer breaks the protocol: another number of scores, a score that is no number.
    case badAnswer = "bad answer"
    /// The answer is larger than the limit.
    case tooLarge = "answer too large"
    /// The child process ended.
    case crashed = "process ended"
    /// The service refuses this request, and would refuse it again.
    case rejected = "request refused"
    /// The service answered that the sample has no score.
    case notScored = "no score given"
    /// The service gave NaN or an infinite number.
    case notFinite = "not a finite number"
    /// The answer of a chat service holds no score.
    case noMatch = "no score in the answer"
    /// The answer of a chat service has no log probabilities.
    case noLogprobs = "no log probabilities"
    /// The first token of a chat service's answer is hardly ever a digit.
    case noDigit = "first token is no digit"

    /// Whether the service as a whole is unavailable; other faults concern one request.
    var isOutage: Bool { self == .unreachable || self == .busy }
    /// Whether another attempt can succeed.
    var isWorthRetrying: Bool {
      ![.rejected, .notScored, .notFinite, .noMatch, .noLogprobs, .noDigit].contains(self)
    }
  }
}
