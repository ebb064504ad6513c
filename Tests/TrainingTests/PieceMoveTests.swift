import Foundations
import Testing
import Training

private func status(
  movable: [Int] = [], underWay: Int = 0, scored: Int = 0, busy: Double = 0, quiet: Double = 0,
  room: Int = 1 << 30
) -> ScoringStatus {
  var status = ScoringStatus()
  status.movable = movable
  status.underWay = underWay
  status.unscored = underWay + movable.reduce(0, +)
  status.scored = scored
  status.busySeconds = busy
  status.quietSeconds = quiet
  status.room = room
  return status
}

/// Images of 300 bytes.
private func moves(_ statuses: [ScoringStatus]) -> [PieceMove] {
  PieceMovePlan.moves(statuses, imageBytes: 300)
}

@Suite struct PieceMoveTests {
  @Test func `a process that is behind hands pieces to an idle one until both end together`() {
    // Equal speeds, 0.1 s per piece of 4: half of the seven pieces left.
    let behind = status(
      movable: [4, 4, 4, 4, 4, 4], underWay: 4, scored: 40, busy: 1, quiet: 0)
    let idle = status(scored: 40, busy: 1)
    #expect(moves([behind, idle]) == [PieceMove(sender: 0, receiver: 1, count: 3)])
    #expect(moves([idle, behind]) == [PieceMove(sender: 1, receiver: 0, count: 3)])
    // Two idle ones share.
    #expect(
      moves([idle, behind, idle])
        == [
          PieceMove(sender: 1, receiver: 0, count: 2), PieceMove(sender: 1, receiver: 2, count: 2),
        ])
    #expect(moves([behind]).isEmpty && moves([idle, idle]).isEmpty)
  }

  @Test func `the last piece of a process that is about to begin it stays`() {
    let idle = status(scored: 40, busy: 40)
    func behind(_ quiet: Double) -> ScoringStatus {
      status(movable: [4], underWay: 4, scored: 40, busy: 40, quiet: quiet)
    }
    // 4 s per piece: with 8 s left a move saves 4.
    #expect(moves([behind(0.5), idle]).isEmpty)
    #expect(moves([behind(3.9), idle]).isEmpty)
    // At a tenth of the speed it is worth a move.
    let slow = status(movable: [4], underWay: 4, scored: 40, busy: 400, quiet: 39)
    #expect(moves([slow, idle]) == [PieceMove(sender: 0, receiver: 1, count: 1)])
  }

  @Test func `a reward that stands still counts as slow though its past was fast`() {
    let idle = status(scored: 40, busy: 0.4)
    func hanging(_ quiet: Double) -> ScoringStatus {
      status(movable: [4, 4], underWay: 4, scored: 40, busy: 0.2, quiet: quiet)
    }
    #expect(moves([hanging(0.01), idle]).isEmpty)
    #expect(moves([hanging(5), idle]) == [PieceMove(sender: 0, receiver: 1, count: 2)])
    // Before the first score there is no other measure.
    let unknown = status(movable: [4, 4], underWay: 4)
    #expect(moves([unknown, idle]).isEmpty)
    // Nor for one that has only begun.
    #expect(moves([hanging(5), status(underWay: 4, quiet: 0.01)]).isEmpty)
  }

  @Test func `a large piece must gain more than its transfer costs`() {
    let idle = status(scored: 8, busy: 0.08, room: .max)
    let behind = status(movable: [8, 8], underWay: 8, scored: 8, busy: 0.8)
    #expect(!PieceMovePlan.moves([behind, idle], imageBytes: 1 << 10).isEmpty)
    // 8 images of 32 MiB take 2.1 s at 1 Gbit/s.
    #expect(PieceMovePlan.moves([behind, idle], imageBytes: 32 << 20).isEmpty)
  }

  @Test func `a process gets pieces for about a second at once, and one longer piece when idle`() {
    let behind = status(
      movable: Array(repeating: 4, count: 40), underWay: 4, scored: 4, busy: 4)
    let idle = status(scored: 40, busy: 4)
    #expect(moves([behind, idle]) == [PieceMove(sender: 0, receiver: 1, count: 2)])
    var ahead = status(underWay: 4, scored: 40, busy: 1)
    #expect(moves([behind, ahead]) == [PieceMove(sender: 0, receiver: 1, count: 8)])
    ahead.unscored += 16
    #expect(moves([behind, ahead]) == [PieceMove(sender: 0, receiver: 1, count: 4)])
    let slow = status(scored: 4, busy: 8)
    #expect(moves([behind, slow]) == [PieceMove(sender: 0, receiver: 1, count: 1)])
    var occupied = slow
    occupied.unscored = 4
    #expect(moves([behind, occupied]).isEmpty)
  }

  @Test func `any processes: pieces are conserved, and none both sends and receives`() {
    var random = SplitMix64(seed: 7)
    var moved = 0
    for _ in 0..<2000 {
      let statuses = (0..<Int.random(in: 1...9, using: &random)).map { _ in
        let pieces = Int.random(in: 0...6, using: &random)
        return status(
          movable: (0..<pieces).map { _ in Int.random(in: 1...8, using: &random) },
          underWay: Int.random(in: 0...8, using: &random),
          scored: Int.random(in: 0...100, using: &random),
          busy: Double.random(in: 0...50, using: &random),
          quiet: Double.random(in: 0...5, using: &random),
          room: Int.random(in: 0...20, using: &random) * 300)
      }
      let found = moves(statuses)
      #expect(found == moves(statuses))
      moved += found.count
      let pairs = Set(found.map { [$0.sender, $0.receiver] })
      #expect(pairs.count == found.count)
      #expect(Set(found.map(\.sender)).isDisjoint(with: found.map(\.receiver)))
      for (rank, status) in statuses.enumerated() {
        let sent = found.filter { $0.sender == rank }.reduce(0) { $0 + $1.count }
        #expect(sent <= status.movable.count)
        let received = found.filter { $0.receiver == rank }
        #expect(received.isEmpty || status.movable.isEmpty)
        // At least the smallest pieces that its senders have.
        let images = received.reduce(0) { sum, move in
          sum + move.count * (statuses[move.sender].movable.min() ?? 0)
        }
        #expect(images * 300 <= status.room)
      }
    }
    #expect(moved > 500)
  }

  @Test func `in a simulation every piece is scored once, and slow processes are relieved`() {
    var random = SplitMix64(seed: 11)
    for _ in 0..<200 {
      let count = Int.random(in: 2...6, using: &random)
      let paces = (0..<count).map { _ in Double.random(in: 0.01...0.1, using: &random) }
      let pieces = (0..<count).map { _ in Int.random(in: 1...20, using: &random) }
      var alone = SimulatedScoring(paces, pieces)
      var together = SimulatedScoring(paces, pieces)
      let before = alone.run(moves: false)
      let after = together.run(moves: true)
      #expect(
        together.scored
          == Set(
            (0..<count).flatMap { rank in
              (0..<pieces[rank]).map { [rank, $0] }
            }))
      // A plan errs by a piece and a round.
      #expect(after <= before + 4 * paces.max()! + 0.2)
    }
    // One of four processes at a tenth of the speed: with the rate of all, 40 pieces of 4 images
    // take 0.01 * 160 / 3.1 = 0.5 s.
    var slow = SimulatedScoring([0.1, 0.01, 0.01, 0.01], [10, 10, 10, 10])
    #expect(slow.run(moves: false) > 3.9)
    slow = SimulatedScoring([0.1, 0.01, 0.01, 0.01], [10, 10, 10, 10])
    #expect(slow.run(moves: true) < 1.3)
  }
}

/// Processes that score pieces of four images one after another, in steps of 10 ms.
private struct SimulatedScoring {
  private struct Process {
    let pace: Double
    /// Rank and number, and whether it may move.
    var waiting: [(piece: [Int], isMovable: Bool)] = []
    var underWay: [Int]?
    var seconds = 0.0
    var busy = 0.0
    var scored = 0
  }

  private var processes: [Process]
  private(set) var scored: Set<[Int]> = []

  init(_ paces: [Double], _ pieces: [Int]) {
    processes = paces.enumerated().map { rank, pace in
      Process(pace: pace, waiting: (0..<pieces[rank]).map { ([rank, $0], true) })
    }
  }

  /// - Returns: seconds until all pieces are scored.
  mutating func run(moves: Bool) -> Double {
    var time = 0.0
    var step = 0
    while processes.contains(where: { $0.underWay != nil || !$0.waiting.isEmpty }) {
      if moves, step % 10 == 0 { move() }
      for rank in processes.indices { advance(rank, by: 0.01) }
      time += 0.01
      step += 1
    }
    return time
  }

  private mutating func advance(_ rank: Int, by seconds: Double) {
    if processes[rank].underWay == nil, !processes[rank].waiting.isEmpty {
      processes[rank].underWay = processes[rank].waiting.removeFirst().piece
      processes[rank].seconds = 0
    }
    guard let piece = processes[rank].underWay else { return }
    processes[rank].seconds += seconds
    processes[rank].busy += seconds
    guard processes[rank].seconds >= 4 * processes[rank].pace else { return }
    #expect(scored.insert(piece).inserted)
    processes[rank].scored += 4
    processes[rank].underWay = nil
  }

  private mutating func move() {
    let statuses = processes.map { process in
      var found = status(
        movable: process.waiting.filter(\.isMovable).map { _ in 4 },
        underWay: process.underWay == nil ? 0 : 4, scored: process.scored, busy: process.busy,
        quiet: process.underWay == nil ? 0 : process.seconds)
      found.unscored = found.underWay + 4 * process.waiting.count
      return found
    }
    for move in PieceMovePlan.moves(statuses, imageBytes: 300) {
      for _ in 0..<move.count {
        let index = processes[move.sender].waiting.lastIndex { $0.isMovable }!
        let piece = processes[move.sender].waiting.remove(at: index).piece
        processes[move.receiver].waiting.append((piece, false))
      }
    }
  }
}
