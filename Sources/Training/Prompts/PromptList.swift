internal import Foundation
internal import Foundations
package import Rewards

/// Prompts on disk: lines of text, JSON lines, a JSON list, or a table with a heading (CSV, TSV).
///
/// ``PromptFormat`` determines the format. Empty lines are skipped, and white space around a prompt
/// is removed.
package enum PromptList {
  /// Reads every prompt of the file, in order.
  ///
  /// - Parameters:
  ///   - rewards: the rewards of the images; each checks the metadata of every prompt.
  ///   - conditionImages: the number of condition images per prompt: files in the key `image` or
  ///     the list `images`, relative to the prompt file. For a model without condition images,
  ///     these keys are metadata like any other.
  /// - Throws: `TrainingError.prompts`, with file, line and the expected content.
  package static func read(
    _ path: String, for rewards: [RewardEntry] = [], conditionImages: ClosedRange<Int> = 0...0
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
      var prompt = Prompt(row.text, tag: row.tag, metadata: row.metadata)
      if conditionImages.upperBound > 0 {
        prompt.images = try images(row, path, conditionImages)
      }
      prompts.append(prompt)
    }
    return prompts
  }

  private static func images(
    _ row: PromptRow, _ path: String, _ counts: ClosedRange<Int>
  ) throws(TrainingError) -> [String] {
    let given = row.metadata["images"]?.array ?? row.metadata["image"].map { [$0] } ?? []
    let names = given.compactMap(\.string)
    guard names.count == given.count, counts.contains(names.count) else {
      let expected =
        counts.count == 1
        ? "\(counts.lowerBound)" : "\(counts.lowerBound) to \(counts.upperBound)"
      throw .prompts(
        "\(path):\(row.line): the model takes \(expected) condition image"
          + "\(counts == 1...1 ? "" : "s") with a prompt, found \(names.count); name the files in "
          + "\"image\" or the list \"images\"")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    return names.map { URL(fileURLWithPath: $0, relativeTo: folder).standardizedFileURL.path }
  }
}
