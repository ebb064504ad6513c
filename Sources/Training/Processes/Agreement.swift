internal import Foundation
package import ProcessGroups
internal import Rewards

// A part of the work may fail on one process alone. The others would wait for it in their next
// collective until the time-out, so every such part ends with an exchange of outcomes.

/// The failure of another process, which stops this one as well.
package struct PeerFailure: Error, Equatable, CustomStringConvertible {
  /// Whether a reward failed: the epochs completed are then saved.
  package let isReward: Bool
  /// The process and its message.
  package let description: String
}

/// What a process sends to the others at the end of a part of the work.
private struct Outcome: Codable {
  var message: String
  var isReward: Bool
}

/// The parts of the work that this process is in, one inside the other.
@MainActor
private enum OpenParts {
  private static var count = 0
  /// Whether the others know of the error that ends the parts: they have left all of them.
  static var isKnown = false

  static func begin() {
    count += 1
    isKnown = false
  }

  static func end() {
    count -= 1
    if count == 0 { isKnown = false }
  }
}

extension ProcessGroup {
  /// Runs a part of the work that may fail on some processes only, and waits until all have done
  /// it.
  ///
  /// Parts may be nested; there must be no other collective in `body` after something that can
  /// fail.
  ///
  /// - Parameter part: in a few words, for the message when a process is lost meanwhile.
  /// - Throws: the error of `body`; when `body` failed elsewhere only, `PeerFailure`;
  ///   `ProcessGroupError`.
  @MainActor
  package func agree<Result>(
    _ part: String, _ body: @MainActor () async throws -> Result
  ) async throws -> Result {
    guard size > 1 else { return try await body() }
    OpenParts.begin()
    defer { OpenParts.end() }
    do {
      let result = try await body()
      try report(part)
      return result
    } catch {
      throw try settled(error, part)
    }
  }

  /// The same for work that does not suspend.
  @MainActor
  package func agree<Result>(
    _ part: String, _ body: @MainActor () throws -> Result
  ) throws -> Result {
    guard size > 1 else { return try body() }
    OpenParts.begin()
    defer { OpenParts.end() }
    do {
      let result = try body()
      try report(part)
      return result
    } catch {
      throw try settled(error, part)
    }
  }

  /// Runs work of the leader alone, which may fail; the others wait for it.
  @MainActor
  package func lead(_ part: String, _ body: @MainActor () throws -> Void) throws {
    try agree(part) { if isLeader { try body() } }
  }

  /// The error that ends the part: what the other processes have agreed on already, or this
  /// process's own after they know of it.
  @MainActor
  private func settled(_ error: any Error, _ part: String) throws -> any Error {
    if OpenParts.isKnown || error is PeerFailure || error is ProcessGroupError { return error }
    OpenParts.isKnown = true
    let outcomes = try exchange(error, part)
    // All processes save the epochs completed, or none does.
    let isOthers = outcomes.contains { $0?.isReward == false }
    return error is RewardError && isOthers
      ? PeerFailure(isReward: false, description: "\(error)") : error
  }

  /// Tells the others that the part has ended well here.
  ///
  /// - Throws: `PeerFailure` when it has failed elsewhere.
  private func report(_ part: String) throws {
    let outcomes = try exchange(nil, part)
    guard let rank = outcomes.firstIndex(where: { $0 != nil }), let found = outcomes[rank] else {
      return
    }
    throw PeerFailure(
      isReward: outcomes.allSatisfy { $0?.isReward != false },
      description: "rank \(rank) (\(place(of: rank))): \(found.message)")
  }

  /// How the part has ended on each process: nil where well.
  private func exchange(_ error: (any Error)?, _ part: String) throws -> [Outcome?] {
    try gather(
      error.map { Outcome(message: "\($0)", isReward: $0 is RewardError) }, part)
  }

  /// The values of all processes, in the order of ranks.
  func gather<Value: Codable>(_ value: Value, _ part: String) throws -> [Value] {
    guard size > 1 else { return [value] }
    let bytes = Array(try JSONEncoder().encode([value]))
    return try gather(bytes, part).enumerated().map { rank, bytes in
      rank == self.rank ? value : try JSONDecoder().decode([Value].self, from: Data(bytes))[0]
    }
  }
}
