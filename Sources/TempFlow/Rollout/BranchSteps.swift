import Foundations

/// Which denoising steps of an epoch are stochastic and trained.
///
/// The last step, to sigma 0, is never trained: its noise is tiny and no step follows it.
public enum BranchSteps: Hashable, Sendable {
  /// Steps 0...N-2.
  case all
  /// The first n steps, where noise changes the image most.
  case first(Int)
  /// n neighboring steps, starting n further in each epoch and wrapping around.
  case sliding(Int)
  /// n of the first m steps, drawn without replacement in each epoch; m is N-1 if nil.
  case random(Int, of: Int? = nil)
  /// n neighboring ones of the first m steps, drawn in each epoch; m is N-1 if nil.
  case window(Int, of: Int? = nil)
  /// These steps.
  case list([Int])

  /// The steps that an epoch may select, ascending; noise-aware weights average to 1 over them.
  public func candidates(stepCount: Int) -> [Int] {
    switch self {
    case .all, .sliding: Array(0..<stepCount - 1)
    case .random(_, let range), .window(_, let range): Array(0..<(range ?? stepCount - 1))
    case .first(let count): Array(0..<count)
    case .list(let steps): steps.sorted()
    }
  }

  /// The steps of one epoch, ascending: a pure function of run seed and epoch.
  public func steps(stepCount: Int, run: UInt64, epoch: Int) -> [Int] {
    let candidates = candidates(stepCount: stepCount)
    switch self {
    case .all, .first, .list:
      return candidates
    case .sliding(let count):
      return (0..<count).map { (epoch * count + $0) % candidates.count }.sorted()
    case .random(let count, _):
      var generator = Self.generator(run: run, epoch: epoch)
      return generator.sample(count, of: candidates).sorted()
    case .window(let count, _):
      var generator = Self.generator(run: run, epoch: epoch)
      let start = generator.index(below: candidates.count - count + 1)
      return Array(candidates[start..<(start + count)])
    }
  }

  /// One draw for all prompts of an epoch.
  private static func generator(run: UInt64, epoch: Int) -> SplitMix64 {
    SplitMix64(
      seed: noiseSeed(run: run, epoch: epoch, prompt: -1, seed: -1, step: -2, branch: -1))
  }

  /// How many steps each epoch has.
  public func count(stepCount: Int) -> Int {
    switch self {
    case .all: stepCount - 1
    case .first(let count), .sliding(let count), .random(let count, _), .window(let count, _):
      count
    case .list(let steps): steps.count
    }
  }

  /// Checks the choice against a schedule of `stepCount` steps.
  func validate(stepCount: Int) throws(RolloutPlanError) {
    let trainable = stepCount - 1
    guard trainable >= 1 else { throw .tooFewSteps(stepCount) }
    switch self {
    case .all: break
    case .first(let count), .sliding(let count), .random(let count, nil), .window(let count, nil):
      guard (1...trainable).contains(count) else {
        throw .stepCountOutOfRange(count, trainable: trainable)
      }
    case .random(let count, let range?), .window(let count, let range?):
      guard (1...trainable).contains(range) else {
        throw .stepCountOutOfRange(range, trainable: trainable)
      }
      guard (1...range).contains(count) else {
        throw .stepCountOutOfRange(count, trainable: range)
      }
    case .list(let steps):
      guard !steps.isEmpty else { throw .stepCountOutOfRange(0, trainable: trainable) }
      for (index, step) in steps.enumerated() {
        guard (0..<trainable).contains(step) else {
          throw .stepOutOfRange(step, trainable: trainable)
        }
        guard !steps[..<index].contains(step) else { throw .repeatedStep(step) }
      }
    }
  }
}
