internal import Foundation
internal import Foundations
package import ProcessGroups
package import Recipes
package import Rewards
internal import Runs
package import Torch

/// What all processes of a run must have in common before they compute together.
struct JoinFacts: Codable, Equatable {
  /// Names and values, in the order in which differences are reported.
  private let facts: [Fact]

  private struct Fact: Codable, Equatable {
    var name: String
    var value: String
  }

  init(_ facts: [(name: String, value: String)]) {
    self.facts = facts.map { Fact(name: $0.name, value: $0.value) }
  }

  /// What differs from `other`, in words; nil when nothing does.
  func differences(from other: JoinFacts) -> String? {
    let expected = Dictionary(other.facts.map { ($0.name, $0.value) }) { $1 }
    let own = Dictionary(facts.map { ($0.name, $0.value) }) { $1 }
    let names = facts.map(\.name) + other.facts.map(\.name).filter { own[$0] == nil }
    let texts = names.filter { own[$0] != expected[$0] }.map { name in
      "\(name): \(Self.short(own[name])) instead of \(Self.short(expected[name]))"
    }
    guard !texts.isEmpty else { return nil }
    return texts.prefix(4).joined(separator: "; ")
      + (texts.count > 4 ? "; and \(texts.count - 4) more" : "")
  }

  /// A digest is cut: no one compares 64 digits by eye.
  private static func short(_ value: String?) -> String {
    guard let value else { return "none" }
    let isDigest = value.count == 64 && value.allSatisfy(\.isHexDigit)
    return isDigest ? String(value.prefix(12)) : value
  }
}

extension ProcessGroup {
  /// Refuses processes that differ from the first one.
  ///
  /// - Parameter remedy: what to do.
  /// - Throws: `TrainingError.processes`, the same on every process; `ProcessGroupError`.
  @MainActor
  func checkEqual(_ facts: JoinFacts, _ step: String, remedy: String) throws {
    let all = try gather(facts, step)
    let others = all.indices.compactMap { rank in
      all[rank].differences(from: all[0]).map { "rank \(rank) (\(place(of: rank))) has \($0)" }
    }
    guard !others.isEmpty else { return }
    let shown = others.prefix(3).joined(separator: ". ")
    let more = others.count > 3 ? ". \(others.count - 3) more ranks differ" : ""
    throw TrainingError.processes(
      "the processes of this run are not alike, compared with rank 0: \(shown)\(more). \(remedy)")
  }

  /// Refuses processes with another program, libtorch, kernels or recipe than the first one. Paths
  /// of the model and the prompts may differ; what they hold is compared once it is read.
  ///
  /// - Parameter kernels: the CPU kernels that are installed.
  /// - Throws: `TrainingError.processes`; `ProcessGroupError`.
  @MainActor
  package func checkEqual(_ recipe: ResolvedRecipe, kernels: [String]) throws {
    guard size > 1 else { return }
    let paths: Set = ["model", "prompts.train", "prompts.evaluation", "prompt_cache"]
    let facts =
      [
        ("the program", try agree("reading the program") { try Self.program() }),
        ("libtorch", TorchRuntime.version),
        ("CPU kernels", kernels.joined(separator: ", ")),
      ] + recipe.values.filter { !paths.contains($0.path) }.map { ($0.path, $0.text) }
    try checkEqual(
      JoinFacts(facts), "comparing the recipes",
      remedy: "Start every process with the same program and the same recipe.")
  }

  /// The version and the digest of the program.
  static func program() throws -> String {
    let path = "/proc/self/exe"
    guard FileManager.default.fileExists(atPath: path) else { return Version.current }
    return "\(Version.current) \(try SHA256.digest(ofFile: path).digest.prefix(12))"
  }
}

extension RunFingerprint {
  /// Refuses processes whose prompts, model or networks of rewards differ from those of the first
  /// one.
  ///
  /// - Throws: `TrainingError.processes`; `ProcessGroupError`.
  @MainActor
  func checkEqual(in group: ProcessGroup) throws {
    guard group.size > 1 else { return }
    // The same files may have other paths on another host.
    let facts = digests.sorted { $0.key < $1.key }.map { key, digest in
      let isOwn = key.hasPrefix("prompts.") || Self.isReward(key)
      return (isOwn ? key : "model/\(key)", digest)
    }
    try group.checkEqual(
      JoinFacts(facts), "comparing the files",
      remedy: "Every host needs the same prompt files, the same model and the same networks of "
        + "rewards.")
  }
}

extension ProcessGroup {
  /// Threads of an operator where a recipe names none: the host's cores divided among its
  /// processes; nil for a process alone.
  var threadCount: Int? { localSize > 1 ? coresPerProcess : nil }

  /// The host's cores, divided among its processes.
  var coresPerProcess: Int {
    max(1, ProcessInfo.processInfo.activeProcessorCount / localSize)
  }

  /// The place of this process for rewards, under a name that no other run has.
  func rewardPlace() throws -> RewardPlace {
    rewardPlace(try gather(UUID().uuidString, "naming the run")[0])
  }

  /// The place of this process for rewards.
  ///
  /// - Parameter name: of the run.
  package func rewardPlace(_ name: String) -> RewardPlace {
    RewardPlace(
      rank: rank, size: size, localRank: localRank, localSize: localSize, rendezvous: name)
  }
}

extension ProcessGroup {
  /// A recipe's device on this process: `cuda` is the GPU with the number of the process.
  ///
  /// - Throws: `TrainingError.arithmetic` for a numbered GPU, which all processes would share.
  package func placed(_ device: Device) throws(TrainingError) -> Device {
    if case .cuda(let index) = device, index > 0, localSize > 1 {
      throw .arithmetic(
        "device: cuda:\(index) would be the GPU of all \(localSize) processes of this host; with "
          + "device: cuda each takes its own, cuda:0 to cuda:\(localSize - 1)")
    }
    return rewardPlace("").device(device)
  }
}
