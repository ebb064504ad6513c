import Foundation

/// The child programs of a host in the process that starts them, for every process of the run on
/// this host.
///
/// The other processes send their requests through ``PeerWorkers``. Processes with requests take
/// turns.
final class SharedWorkers: RequestChannel {
  private let pool: WorkerPool
  private let rank: Int
  private let listener: WorkerListener

  /// - Parameters:
  ///   - count: the number of child programs.
  ///   - place: that of local rank 0.
  /// - Throws: ``RewardError/failed(reward:reason:)`` when no other process could connect.
  init(
    _ workers: RemoteWorkers, count: Int, place: RewardPlace, reward: String
  ) throws(RewardError) {
    pool = WorkerPool(workers: workers, turns: FairTurns(places: count))
    rank = place.rank
    do throws(Rendezvous.Failure) {
      listener = try WorkerListener(
        Rendezvous(place, label: reward), pool, rank: place.rank, others: place.localSize - 1)
    } catch {
      throw .failed(
        reward: reward,
        reason: "the other processes of this host cannot share its program: \(error.reason)")
    }
  }

  deinit { listener.close() }

  func ask<Answer: Sendable>(
    _ request: ScoringRequest,
    read: @Sendable ([UInt8], _ sender: String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    guard await pool.turns.take(rank) else { throw .unwanted }
    defer { pool.turns.give() }
    return try await pool.workers.ask(request, read: read)
  }

  func note(_ reason: RemoteFault.Reason, _ detail: String) async {
    await pool.workers.note(reason, detail)
  }
}

/// Child programs and the turns of those who use them.
struct WorkerPool: Sendable {
  let workers: RemoteWorkers
  let turns: FairTurns

  /// The answer to a request of `rank`, which follows the protocol, or the last fault.
  func answer(
    _ request: ScoringRequest, from rank: Int
  ) async -> Result<[UInt8], RemoteFault> {
    guard await turns.take(rank) else { return .failure(.unwanted) }
    defer { turns.give() }
    do throws(RemoteFault) {
      return .success(
        try await workers.ask(request) { bytes, sender throws(RemoteFault) in
          let answer = try ScoringProtocol.answer(
            bytes, identifier: request.identifier, from: sender)
          _ = try ScoringProtocol.scores(answer, count: request.count, from: sender)
          return bytes
        })
    } catch {
      return .failure(error)
    }
  }
}
