internal import ProcessGroups
internal import TempFlow
internal import Torch

/// Moves the states of training samples from the processes that rolled them out to those that train
/// them.
///
/// Samples without an advantage are not trained, and they are not spread evenly over the trunks. So
/// every update's samples are dealt anew, and their states move once an epoch: for each sample x_i
/// and v_i, 2 D float32, or for each trunk its finished latents.
struct RolloutExchange {
  let group: ProcessGroup

  /// A rollout with the states of the samples that this process trains.
  ///
  /// - Parameter wanted: the samples that each process trains in this epoch, in an order of which
  ///   all processes know.
  /// - Throws: `ProcessGroupError`.
  func exchange(
    _ rollout: Rollout, _ wanted: [[TrainingSample]]
  ) throws(ProcessGroupError) -> Rollout {
    let wanted = wanted.map(rollout.distinct)
    let owners = rollout.plan.method.owners(
      processes: group.size, trunks: rollout.trunks.count)
    let sent = wanted.map { samples in samples.filter { owners[$0.trunk] == group.rank } }
    let mine = wanted[group.rank]
    let received = (0..<group.size).map { rank in mine.filter { owners[$0.trunk] == rank } }
    let states = withoutGradient { rollout.states(of: Array(sent.joined())) }
    let found = try group.exchange(
      states, sent: sent.map(\.count), received: received.map(\.count), "the training samples")
    return rollout.holding(Array(received.joined()), found)
  }
}
