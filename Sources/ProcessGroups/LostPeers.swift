internal import Foundation

/// The signs of life that every process writes into the store.
enum Pulse {
  static let period = Duration.seconds(1)
  static func key(_ rank: Int) -> String { "pulse/\(rank)" }
}

extension ProcessGroup.Engine {
  /// Why a collective failed: the processes whose sign of life stands still for four periods, or
  /// the store.
  func failure(of step: String) -> ProcessGroupError {
    let reason = TorchFailure.last().text
    do throws(TorchFailure) {
      let before = try pulses()
      Thread.sleep(forTimeInterval: Pulse.period * 4 / .seconds(1))
      let after = try pulses()
      let peers = places.indices.filter { before[$0] == after[$0] && $0 != variables.rank }
      return .lost(
        peers: peers.map { .init(rank: $0, place: places[$0]) }, during: step, reason: reason)
    } catch {
      return .storeLost(
        address: variables.address,
        holder: variables.launcherHasStore
          ? "the launcher's store" : "rank 0 (\(places[0])), which keeps the store",
        during: step, reason: reason)
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
