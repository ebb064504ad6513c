internal import DiffusionModels
internal import ImageFiles
internal import ProcessGroups
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

/// Waits for the scores of all processes, and hands pieces of those that are behind to those that
/// are idle.
///
/// Rewards may be slow on one process: its server or its GPU is busy, or its child stands still.
/// Once all images exist, the processes exchange in rounds how far they are, and all derive the
/// same moves from that. A process whose reward has failed takes part until all know of it.
@MainActor
struct SharedScoring {
  let group: ProcessGroup
  let queue: ScoringQueue
  /// Of every image.
  let size: ImageSize
  let progress: ProgressReporter
  /// The sample of an image that another process has made.
  let sample: (SampleID, PixelBuffer) -> RewardSample

  /// Bounds of the time between two rounds.
  private static let (shortest, longest) = (Duration.milliseconds(50), Duration.milliseconds(200))

  private var imageBytes: Int { size.width * size.height * 3 }

  /// Waits for every piece of every process.
  ///
  /// - Parameter part: the scores in a few words, for messages.
  /// - Returns: the pieces of all processes by their keys, whichever process has scored them.
  /// - Throws: `RewardError`; the failure of another process.
  func finish(_ part: String) async throws -> [ScoredPiece] {
    let isStopped = try await wait(part)
    let own = try await group.agree(part) {
      // The scores of a run that another process's reward stops have no reader.
      isStopped && !queue.status.hasFailed ? [] : try await queue.finish()
    }
    return try group.gather(own, part).flatMap { $0 }.sorted { $0.key < $1.key }
  }

  /// Exchanges pieces until all are scored.
  ///
  /// - Returns: whether a reward has failed.
  private func wait(_ part: String) async throws -> Bool {
    guard group.size > 1 else { return false }
    var pause = Self.shortest
    while true {
      let all = try group.gather(queue.status, part)
      if all.contains(where: \.hasFailed) { return true }
      if all.allSatisfy({ $0.unscored == 0 }) { return false }
      show(all)
      let moves = PieceMovePlan.moves(all, imageBytes: imageBytes)
      if moves.isEmpty {
        // An idle process goes on to the next round, and waits there for the others.
        await queue.settle(within: pause)
        pause = min(pause * 2, Self.longest)
      } else {
        try exchange(moves, part)
        pause = Self.shortest
      }
    }
  }

  private func show(_ all: [ScoringStatus]) {
    let scored = all.reduce(0) { $0 + $1.scored }
    let unscored = all.reduce(0) { $0 + $1.unscored }
    progress.update(.init("scoring", scored, of: scored + unscored))
  }

  /// A piece on its way; its pixels follow.
  private struct Shipment: Codable {
    let receiver: Int
    let key: ScoringPiece.Key
    let samples: [SampleID]
  }

  /// Moves the pieces of a plan. Those that have begun since stay.
  private func exchange(_ moves: [PieceMove], _ part: String) throws {
    var shipments: [Shipment] = []
    var pixels: [UInt8] = []
    // Ordered by receiver.
    for move in moves where move.sender == group.rank {
      for piece in queue.takeBack(move.count) {
        shipments.append(
          Shipment(receiver: move.receiver, key: piece.key, samples: piece.samples))
        for sample in piece.inputs.compactMap(\.sample) { pixels += sample.image.pixels }
      }
    }
    let all = try group.gather(shipments, part)
    guard all.contains(where: { !$0.isEmpty }) else { return }
    let incoming = all.map { $0.filter { $0.receiver == group.rank } }
    func images(_ shipments: [Shipment]) -> Int { shipments.reduce(0) { $0 + $1.samples.count } }
    let rows = try group.exchange(
      Tensor(pixels, shape: [images(shipments), imageBytes]),
      sent: (0..<group.size).map { rank in images(shipments.filter { $0.receiver == rank }) },
      received: incoming.map(images), part)
    receive(incoming.flatMap { $0 }, rows.bytes())
  }

  private func receive(_ shipments: [Shipment], _ pixels: [UInt8]) {
    var start = 0
    for shipment in shipments {
      let samples = shipment.samples.map { id in
        defer { start += imageBytes }
        let image = PixelBuffer(
          width: size.width, height: size.height,
          pixels: Array(pixels[start..<start + imageBytes]))
        return sample(id, image)
      }
      queue.addMoved(ScoringPiece(moved: shipment.key, shipment.samples, samples))
    }
  }
}
