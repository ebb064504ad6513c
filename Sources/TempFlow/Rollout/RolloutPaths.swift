import Torch

/// Paths of a rollout batch that are at the same sigma.
struct RolloutPaths {
  /// Their latents, `[rows, …]` float32; nil without rows.
  private(set) var state: Tensor?
  /// Their samples, row by row.
  private(set) var rows: [SampleID]

  init(state: Tensor? = nil, rows: [SampleID] = []) {
    self.state = state
    self.rows = rows
  }

  /// Adds paths behind the others.
  mutating func append(_ latents: Tensor, _ samples: [SampleID]) {
    state = RolloutBatch.joined([state, latents].compactMap { $0 })
    rows += samples
  }

  /// Replaces the latents by those after a step, in parts; without any, the paths have ended.
  mutating func move(to latents: [Tensor]) {
    state = latents.isEmpty ? nil : RolloutBatch.joined(latents)
    if latents.isEmpty { rows = [] }
  }

  /// Drops the paths outside of `places`.
  mutating func keep(_ places: Range<Int>) {
    state = places.isEmpty ? nil : state?.narrowed(dim: 0, places)
    rows = Array(rows[places])
  }
}
