internal import Foundation

/// The signs of life that every process writes into the store.
enum Pulse {
  static let period = Duration.seconds(1)
  static func key(_ rank: Int) -> String { "pulse/\(rank)" }
  /// The ranks that the first process to miss them has found.
  static let lost = "lost"
  /// Written by a process that knows which ranks are lost.
  static func isTold(_ rank: Int) -> String { "told/\(rank)" }
}

extension ProcessGroup.Engine {
  /// Why a collective failed: the processes whose sign of life stands still for four periods, or
  /// the store.
  ///
  /// A process that leaves after this error loses its own sign of life, so all take over what the
  /// first has found.
  func failure(of step: String) -> ProcessGroupError {
    let reason = TorchFailure.last().text
    do throws(TorchFailure) {
      let ranks: [Int]
      if let known = try found() { ranks = known } else { ranks = try search() }
      // What is known here does not depend on whether the others learn it.
      do { try letOthersLearn(ranks) } catch {}
      return .lost(
        peers: ranks.map { .init(rank: $0, place: places[$0]) }, during: step, reason: reason)
    } catch {
      return .storeLost(
        address: variables.address,
        holder: variables.launcherHasStore
          ? "the launcher's store" : "rank 0 (\(places[0])), which keeps the store",
        during: step, reason: reason)
    }
  }

  private func search() throws(TorchFailure) -> [Int] {
    let before = try pulses()
    Thread.sleep(forTimeInterval: Pulse.period * 4 / .seconds(1))
    let after = try pulses()
    if let ranks = try found() { return ranks }
    let ranks = places.indices.filter { before[$0] == after[$0] && $0 != variables.rank }
    if !ranks.isEmpty {
      try store.set(Pulse.lost, ranks.map { "\($0)" }.joined(separator: " "))
    }
    return ranks
  }

  /// The store ends with the process that serves it, which therefore gives the others the time of
  /// two searches to find out.
  private func letOthersLearn(_ lost: [Int]) throws(TorchFailure) {
    try store.set(Pulse.isTold(variables.rank), "1")
    guard variables.rank == 0, !variables.launcherHasStore else { return }
    let others = places.indices.filter { !lost.contains($0) }
    let deadline = ContinuousClock.now + Pulse.period * 8
    for rank in others {
      while try store.value(Pulse.isTold(rank), timeout: Pulse.period).isEmpty {
        guard ContinuousClock.now < deadline else { return }
        Thread.sleep(forTimeInterval: 0.05)
      }
    }
  }

  /// What another process has found, without this one.
  private func found() throws(TorchFailure) -> [Int]? {
    let text = try store.value(Pulse.lost, timeout: Pulse.period * 5)
    guard !text.isEmpty else { return nil }
    return text.split(separator: " ").compactMap { Int($0) }
      .filter { places.indices.contains($0) && $0 != variables.rank }
  }

  private func pulses() throws(TorchFailure) -> [String] {
    var found: [String] = []
    for rank in places.indices {
      found.append(try store.value(Pulse.key(rank), timeout: Pulse.period * 5))
    }
    return found
  }
}
