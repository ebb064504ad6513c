/// How one launcher numbers the processes of a run.
struct Numbering {
  /// A value and the variable that holds it.
  struct Variable {
    let name: String
    let value: Int
    var assignment: String { "\(name)=\(value)" }
  }

  let rank: Variable
  let size: Variable
  /// The number among the processes of its host; nil where the launcher does not say.
  let localRank: Variable?

  /// - Throws: `.disagreement` if the other launcher gives this process another number, also among
  ///   those of its host, or the run another size.
  func check(against other: Numbering?) throws(LaunchVariablesError) {
    guard let other else { return }
    var pairs = [(rank, other.rank), (size, other.size)]
    if let localRank, let theirs = other.localRank { pairs.append((localRank, theirs)) }
    for (mine, theirs) in pairs where mine.value != theirs.value {
      throw .disagreement(mine.assignment, theirs.assignment)
    }
  }
}

/// A port that every process of a run derives from the launcher's number of the run.
///
/// The ports lie below those that Linux gives to outgoing connections (32768 and above).
enum DerivedPort {
  static let range = 12000...31999

  static func of(job: Int, step: Int) -> Int {
    range.lowerBound + (job &* 61 &+ step).magnitude.remainder(range.count)
  }

  /// By the 32-bit FNV-1a hash of the text.
  static func of(_ text: String) -> Int {
    let hash = text.utf8.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
    return range.lowerBound + UInt(hash).remainder(range.count)
  }
}

extension UInt {
  fileprivate func remainder(_ count: Int) -> Int { Int(self % UInt(count)) }
}
