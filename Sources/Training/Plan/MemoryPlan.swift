package import DiffusionModels
internal import FlowMatching
internal import Torch

/// The memory of a run in each of its phases, in bytes. On the CPU it is that of the process,
/// elsewhere that of the device. Mapped files count as far as they are read.
package struct MemoryPlan: Sendable, Equatable {
  /// One component of the memory in use.
  package struct Item: Sendable, Equatable {
    package var name: String
    package var bytes: Int
  }

  /// A phase with all that is in memory at once.
  package struct Phase: Sendable, Equatable {
    /// The key in the run's `peak_memory`: `text`, `rollout`, `decode`, `learning`, `evaluation`.
    package var name: String
    package var items: [Item]
    package var bytes: Int { items.reduce(0) { $0 + $1.bytes } }
  }

  /// In the order of an epoch.
  package var phases: [Phase]
  /// Latents decoded at once: the recipe's value, or as many as fit.
  package var decodeMicroBatch: Int
  /// Whether the plan chose `decodeMicroBatch`.
  package var choosesDecodeMicroBatch: Bool
  /// The budget in bytes; nil if the device's memory is unknown.
  package var budget: Int?

  /// Bytes of pinned memory of the host beside the device's: the transformer's blocks under
  /// `offload: blocks`, or this process's part of them.
  package var hostBytes: Int

  /// The phase with the most memory.
  package var peak: Phase {
    phases.max { $0.bytes < $1.bytes } ?? Phase(name: "none", items: [])
  }

  /// Bytes of the peak above the budget; nil if it lies within.
  package var excess: Int? {
    budget.flatMap { peak.bytes > $0 ? peak.bytes - $0 : nil }
  }

  /// Freed blocks of memory up to this size are kept for the next step. A run that needs more than
  /// a quarter of the memory cannot afford the gaps of large blocks. Text encoders are freed,
  /// including gaps, before a run begins.
  package let keptBlockBytes: Int

  /// - Parameters:
  ///   - evaluationPrompts: images of an evaluation.
  ///   - processes: that share the work, and the frozen weights under `shard: base`; the memory is
  ///     that of the one with the most.
  package init(
    _ recipe: TrainingRecipe, _ model: FlowModelMetadata, evaluationPrompts: Int,
    processes: Int = 1
  ) {
    let parts = MemoryParts(recipe, model, processes: processes)
    let evaluationPrompts = (evaluationPrompts + processes - 1) / processes
    hostBytes = parts.hostBytes
    budget = recipe.memory.budget ?? TorchRuntime.memory(of: recipe.device)
    choosesDecodeMicroBatch = recipe.sampling.decodeMicroBatch == nil
    let standing = parts.standing
    let epoch = standing + [parts.latents, parts.promptEmbeddings(of: recipe.prompts.perEpoch)]
    let decoded = Phase(name: "decode", items: epoch + parts.oldPolicy).bytes
    decodeMicroBatch =
      recipe.sampling.decodeMicroBatch
      ?? parts.decodeMicroBatch(within: budget.map { Int(Double($0) * Self.decodeShare) - decoded })
    var phases = [
      // Prompts are encoded before the model is loaded, and read from disk afterwards.
      [
        Phase(name: "text", items: parts.loadedFirst + parts.encoding),
        Phase(
          name: "text", items: standing + [parts.promptEmbeddings(of: recipe.prompts.perEpoch)]),
      ].max { $0.bytes < $1.bytes } ?? Phase(name: "text", items: standing),
      Phase(
        name: "rollout", items: epoch + parts.oldPolicy + [parts.forward(rows: parts.rolloutRows)]),
      Phase(name: "decode", items: epoch + parts.oldPolicy + [parts.decode(decodeMicroBatch)]),
      Phase(name: "learning", items: epoch + parts.oldPolicy + parts.learning),
      Phase(
        name: "evaluation",
        items: standing
          + [
            parts.weightsSetAside,
            Item(name: "latents", bytes: 2 * parts.latentBytes * evaluationPrompts),
            parts.promptEmbeddings(of: min(recipe.sampling.microBatch, evaluationPrompts)),
            [
              parts.forward(
                rows: min(recipe.sampling.microBatch, evaluationPrompts),
                guided: recipe.evaluationGuidance.rowsPerSample),
              parts.decode(min(decodeMicroBatch, evaluationPrompts)),
            ].max { $0.bytes < $1.bytes } ?? parts.decode(1),
          ]),
    ]
    let largest = phases.dropFirst().map(\.bytes).max() ?? 0
    let isSmall = largest < 2_000_000_000
    let affordsGaps = (budget ?? 0) >= 4 * largest && !parts.movesWeights
    keptBlockBytes = isSmall || affordsGaps ? .max : 1 << 20
    // Kept blocks of a large network leave gaps in every phase; measured with four blocks of width
    // 3072.
    if recipe.device == .cpu, !isSmall, keptBlockBytes == .max {
      let blocks = parts.learning.prefix(2).reduce(0) { $0 + $1.bytes }
      for phase in phases.indices.dropFirst() {
        phases[phase].items.append(Item(name: "gaps of kept memory", bytes: blocks / 2))
      }
    }
    self.phases = phases
  }

  /// The share of the budget for decoding when its micro-batch is chosen; the rest is for memory
  /// that the plan does not cover.
  static let decodeShare = 0.85
}

extension MemoryPlan: Encodable {
  private enum CodingKeys: String, CodingKey {
    case phases, peak, budget
    case peakPhase = "peak_phase"
    case decodeMicroBatch = "decode_micro_batch"
    case hostBytes = "host_bytes"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(
      Dictionary(
        uniqueKeysWithValues: phases.map { phase in
          (
            phase.name,
            Dictionary(phase.items.map { ($0.name, $0.bytes) }, uniquingKeysWith: +)
          )
        }), forKey: .phases)
    try container.encode(peak.bytes, forKey: .peak)
    try container.encode(peak.name, forKey: .peakPhase)
    try container.encode(budget, forKey: .budget)
    try container.encode(decodeMicroBatch, forKey: .decodeMicroBatch)
    try container.encode(hostBytes, forKey: .hostBytes)
  }
}
