import Foundation

/// Finished cycles on disk: `<output>.cycle-N` is the model after N cycles of the flow, from which
/// an interrupted run goes on. They are removed once the last cycle is done.
extension Pretrainer {
  /// Keeps the model after a cycle that is not the last.
  func keep(_ model: PretrainedModel, afterCycle cycle: Int) throws(PretrainingError) {
    let finished = cycle + 1
    guard finished < recipe.flow.cycles else { return }
    try save(model, to: folder(afterCycles: finished))
  }

  /// The last finished cycle, and the folder of its model.
  func lastCycle() -> (count: Int, folder: String)? {
    (1...recipe.flow.cycles).reversed().lazy
      .map { ($0, folder(afterCycles: $0)) }
      .first { FileManager.default.fileExists(atPath: "\($0.1)/model_index.json") }
  }

  /// Removes what was kept.
  func removeCycles() throws(PretrainingError) {
    for cycle in 1...recipe.flow.cycles {
      let path = folder(afterCycles: cycle)
      guard FileManager.default.fileExists(atPath: path) else { continue }
      do {
        try FileManager.default.removeItem(atPath: path)
      } catch {
        throw .output(path: path, reason: error.localizedDescription)
      }
    }
  }

  private func folder(afterCycles count: Int) -> String { "\(recipe.output).cycle-\(count)" }
}
