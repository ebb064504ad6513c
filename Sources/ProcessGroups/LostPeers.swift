internal import CTorch
internal import Foundation

/// The signs of life that every process writes into the store: a number that rises, and how many
/// collectives it has begun, which all begin in one order.
enum Pulse {
  static let period = Duration.seconds(1)
  static func key(_ rank: Int) -> String { "pulse/\(rank)" }
  /// The ranks that the first process to miss them has found.
  static let lost = "lost"
  /// The ranks that live and have not come to a collective.
  static let late = "late"
  /// Written by a process that knows why a collective has failed.
  static func isTold(_ rank: Int) -> String { "told/\(rank)" }

  /// The collectives that a sign of life counts; nil in a text that is none.
  static func begun(_ text: String) -> Int64? {
    text.split(separator: " ").last.flatMap { Int64($0) }
  }
}

extension ProcessGroup.Engine {
  /// Why a collective failed: the processes whose sign of life stands still for four periods, else
  /// those that live and have not come to it, or the store.
  ///
  /// A process that leaves after this error loses its own sign of life, so all take over what the
  /// first has found.
  func failure(of step: String) -> ProcessGroupError {
    let reason = TorchFailure.last().text
    func peers(_ ranks: [Int]) -> [ProcessGroupError.Peer] {
      ranks.map { .init(rank: $0, place: places[$0].text) }
    }
    do throws(TorchFailure) {
      // A store that does not answer shows here; writing to it could block.
      let found = try known()
      let (lost, late): ([Int], [Int])
      if let found { (lost, late) = found } else { (lost, late) = try search() }
      // What is known here does not depend on whether the others learn it.
      do { try store.set(Pulse.isTold(variables.rank), "1") } catch {}
      return late.isEmpty
        ? .lost(peers: peers(lost), during: step, reason: reason)
        : .late(peers: peers(late), during: step, reason: reason)
    } catch {
      return .storeLost(
        address: variables.address,
        holder: variables.launcherHasStore
          ? "the launcher's store" : "rank 0 (\(places[0].text)), which keeps the store",
        during: step, reason: reason)
    }
  }

  private func search() throws(TorchFailure) -> (lost: [Int], late: [Int]) {
    let before = try pulses()
    Thread.sleep(forTimeInterval: Pulse.period * 4 / .seconds(1))
    let after = try pulses()
    // Whoever has left since has first said what it found.
    if let found = try known() { return found }
    let lost = places.indices.filter { before[$0] == after[$0] && $0 != variables.rank }
    if !lost.isEmpty {
      try publish(lost, Pulse.lost)
      return (lost, [])
    }
    // One that has come meanwhile was late, too.
    let late = [after, before].map(behind).first { !$0.isEmpty } ?? []
    if !late.isEmpty { try publish(late, Pulse.late) }
    return ([], late)
  }

  /// The processes that have begun the fewest collectives, if that is fewer than this one has.
  private func behind(_ pulses: [String]) -> [Int] {
    let own = ctorch_process_group_begun(handle)
    let counts = pulses.map { Pulse.begun($0) ?? own }
    guard let least = counts.min(), least < own else { return [] }
    return counts.indices.filter { counts[$0] == least }
  }

  private func publish(_ ranks: [Int], _ key: String) throws(TorchFailure) {
    try store.set(key, ranks.map { "\($0)" }.joined(separator: " "))
  }

  /// What another process has found: the lost ones, without this one, or the late ones.
  private func known() throws(TorchFailure) -> (lost: [Int], late: [Int])? {
    let late = try ranks(Pulse.late)
    let lost = try ranks(Pulse.lost)
    guard late != nil || lost != nil else { return nil }
    return ((lost ?? []).filter { $0 != variables.rank }, late ?? [])
  }

  private func ranks(_ key: String) throws(TorchFailure) -> [Int]? {
    let text = try store.value(key, timeout: Pulse.period * 5)
    guard !text.isEmpty else { return nil }
    return text.split(separator: " ").compactMap { Int($0) }.filter { places.indices.contains($0) }
  }

  /// Waits, no longer than two searches take, until every rank but these knows what has happened.
  fileprivate func letOthersLearn(besides lost: [Int]) throws(TorchFailure) {
    let deadline = ContinuousClock.now + Pulse.period * 8
    for rank in places.indices where rank != variables.rank && !lost.contains(rank) {
      while try store.value(Pulse.isTold(rank), timeout: Pulse.period).isEmpty {
        guard ContinuousClock.now < deadline else { return }
        Thread.sleep(forTimeInterval: 0.05)
      }
    }
  }

  private func pulses() throws(TorchFailure) -> [String] {
    var found: [String] = []
    for rank in places.indices {
      found.append(try store.value(Pulse.key(rank), timeout: Pulse.period * 5))
    }
    return found
  }
}

extension ProcessGroup {
  /// Gives the others some seconds to learn from the store, which ends with this process, why a
  /// collective failed. Returns at once where another program or process keeps the store.
  ///
  /// A process that computes for longer finds no store; this one must not wait for it, because
  /// others wait for this one to close its connections.
  package func letOthersLearn(_ error: ProcessGroupError) {
    guard let engine, rank == 0, !engine.variables.launcherHasStore, let lost = error.lostRanks
    else { return }
    // A store that no longer answers has no one to wait for.
    do { try engine.letOthersLearn(besides: lost) } catch {}
  }
}
