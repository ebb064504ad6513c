internal import Foundation
internal import Foundations
internal import Runs

/// The seconds of one process in the phases of an epoch, the waiting for other processes included.
struct RankSeconds: Codable {
  let rollout, decode, reward, update, epoch: Double

  init(_ stopwatch: PhaseStopwatch) {
    let phases = stopwatch.seconds
    func seconds(_ phase: Phase) -> Double { phases[phase, default: 0] }
    rollout = seconds(.rollout)
    decode = seconds(.decode)
    reward = seconds(.reward)
    update = seconds(.learning) + seconds(.optimizer)
    epoch = stopwatch.total
  }

  /// `rollout 1.23 s, decode 0.10 s, reward 0.02 s, update 0.50 s, epoch 1.90 s`
  var text: String {
    [
      ("rollout", rollout), ("decode", decode), ("reward", reward), ("update", update),
      ("epoch", epoch),
    ].map { String(format: "\($0) %.2f s", $1) }.joined(separator: ", ")
  }
}

extension [RankSeconds] {
  /// The members of an epoch's line of the timings: a list with a figure for each rank; none for a
  /// process alone.
  var members: [JSONValue.Member] {
    guard count > 1 else { return [] }
    func list(_ figure: (RankSeconds) -> Double) -> JSONValue {
      .array(map { .double(figure($0)) })
    }
    return [
      .init(.rankRolloutSeconds, list(\.rollout)), .init(.rankDecodeSeconds, list(\.decode)),
      .init(.rankRewardSeconds, list(\.reward)), .init(.rankUpdateSeconds, list(\.update)),
      .init(.rankEpochSeconds, list(\.epoch)),
    ]
  }
}
