/// Why one attempt to get scores from elsewhere came to nothing.
package enum RemoteFault: Error, Equatable {
  /// It may go well another time, or for another sample.
  ///
  /// - Parameters:
  ///   - detail: for people; names the service and holds no secret.
  ///   - retryAfter: seconds that the service asked to be left alone.
  case transient(Reason, detail: String, retryAfter: Double? = nil)
  /// It will go wrong every time until a person changes something.
  case permanent(detail: String)

  /// The kinds of passing faults. The raw values are the reasons that missing scores are counted
  /// under.
  package enum Reason: String, CaseIterable, Sendable {
    /// No connection, or one that broke: the service is down or being restarted.
    case unreachable
    /// The service asked to come back later.
    case busy
    /// No whole answer within the timeout.
    case timeout = "timed out"
    /// The service failed at this request.
    case serverError = "server error"
    /// The answer breaks the protocol: another number of scores, a score that is no number.
    case badAnswer = "bad answer"
    /// The answer is larger than any honest one.
    case tooLarge = "answer too large"
    /// The child process ended.
    case crashed = "process ended"
    /// The service refused this request and would refuse it again.
    case rejected = "request refused"
    /// The service answered that the sample has no score.
    case notScored = "no score given"
    /// The service gave NaN or an infinite number.
    case notFinite = "not a finite number"
    /// The answer of a chat service holds no score.
    case noMatch = "no score in the answer"

    /// Whether the fault says that the service is away, rather than that it failed at a request.
    var isOutage: Bool { self == .unreachable || self == .busy }
    /// Whether asking again can help.
    var isWorthRetrying: Bool {
      ![.rejected, .notScored, .notFinite, .noMatch].contains(self)
    }
  }
}

/// How long and how often one request is tried.
package struct RetryPolicy: Sendable, Equatable {
  /// Seconds that one attempt may take, from connecting to the last byte.
  package var timeout = 60.0
  /// Times that a request is tried again after attempts the service failed at.
  package var retries = 3
  /// Seconds that a service may be away before its samples are given up.
  package var outageTimeout = 120.0
  /// Seconds that a service is left alone after its first fault; doubled with each further one.
  package var firstRest = 0.25
  /// Seconds that it is left alone at most.
  package var longestRest = 5.0

  package init() {}
}
