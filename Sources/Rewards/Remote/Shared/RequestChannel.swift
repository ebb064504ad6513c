/// One request of `docs/rewards/protocol.md`.
struct ScoringRequest: Sendable {
  /// The same for every attempt.
  let identifier: String
  /// The number of samples.
  let count: Int
  /// Makes the request, and the files that it names. It is called once the request can be sent, so
  /// requests that wait take no room.
  let bytes: @Sendable () throws(RemoteFault) -> [UInt8]
}

/// The way of a reward's requests to the workers that answer them.
protocol RequestChannel: Sendable {
  /// Sends a request until it has a valid answer, or until no attempt is left.
  ///
  /// In a canceled task it ends early, with any fault, but never while a worker may still read the
  /// request's images.
  ///
  /// - Parameter read: reads the answer of `sender`; its error is a fault of the attempt.
  /// - Throws: the last fault.
  func ask<Answer: Sendable>(
    _ request: ScoringRequest,
    read: @Sendable ([UInt8], _ sender: String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer

  /// Writes a message about a fault of single samples, once for each kind.
  func note(_ reason: RemoteFault.Reason, _ detail: String) async
}

extension RemoteWorkers: RequestChannel {
  func ask<Answer: Sendable>(
    _ request: ScoringRequest,
    read: @Sendable ([UInt8], _ sender: String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    try await ask(request.bytes, read: read)
  }
}
