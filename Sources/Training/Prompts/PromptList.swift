internal import Foundation
package import Rewards

/// Prompts on disk: lines of text, JSON lines, a JSON list, or a table with a heading (CSV, TSV).
///
/// ``PromptFormat`` decides which. Empty lines are skipped, and white space around a prompt is
/// dropped.
package enum PromptList {
  /// Reads every prompt of the file, in order.
  ///
  /// - Parameter rewards: the rewards of the images; each checks the metadata of every prompt.
  /// - Throws: `TrainingError.prompts`, with file, line and what a line must hold.
  package static func read(
    _ path: String, for rewards: [RewardEntry] = []
  ) throws(TrainingError) -> [Prompt] {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw .prompts("\(path): cannot be read (\(error.localizedDescription))")
    }
    let rows: [PromptRow]
    do throws(PromptRow.Fault) {
      rows = try PromptFormat.rows(Array(data), ending: URL(fileURLWithPath: path).pathExtension)
    } catch {
      let place = error.line.map { "\(path):\($0)" } ?? path
      throw .prompts("\(place): \(error.reason)")
    }
    if rows.isEmpty { throw .prompts("\(path): holds no prompt; write one a line") }
    var kinds: [any RewardFactory.Type] = []
    for reward in rewards where !kinds.contains(where: { $0.name == reward.name }) {
      kinds.append(type(of: reward.factory))
    }
    var prompts: [Prompt] = []
    for row in rows {
      for kind in kinds {
        do throws(PromptFault) {
          try kind.checkPrompt(row.metadata)
        } catch {
          throw .prompts("\(path):\(row.line): \(error)")
        }
      }
      prompts.append(Prompt(row.text, tag: row.tag, metadata: row.metadata))
    }
    return prompts
  }
}
