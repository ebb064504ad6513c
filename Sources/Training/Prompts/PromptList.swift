internal import Foundation
internal import JSON
package import Rewards
internal import ShapeScenes

/// Prompts on disk: lines of text, JSON lines, a JSON list, or a table with a heading (CSV, TSV).
///
/// ``PromptFormat`` decides which. Empty lines are skipped, and white space around a prompt is
/// dropped.
package enum PromptList {
  /// Reads every prompt of the file, in order.
  ///
  /// - Parameter rewards: names of the rewards that will judge the images. One that judges scenes
  ///   makes every row a prompt of the shapes task; one that reads GenEval's metadata needs it in
  ///   every row.
  /// - Parameter conditionImages: how many images to edit the model takes with a prompt: files in the
  ///   key `image` or the list `images`, relative to the prompt file. Where it takes none, these keys
  ///   are metadata like any other.
  /// - Throws: `TrainingError.prompts`, with file, line and what a line must hold.
  package static func read(
    _ path: String, for rewards: [String] = [], conditionImages: ClosedRange<Int> = 0...0
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
    let judgesScenes = rewards.contains(where: RewardRegistry.judgesScenes)
    let readsGenEval = rewards.contains(where: RewardRegistry.readsGenEval)
    var prompts: [Prompt] = []
    for row in rows {
      var prompt = Prompt(row.text, tag: row.tag, metadata: row.metadata)
      if conditionImages.upperBound > 0 {
        prompt.images = try images(row, path, conditionImages)
      }
      if judgesScenes { prompt.scene = try scene(row, path) }
      if readsGenEval { try checkGenEval(row, path) }
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
      let wanted =
        counts.count == 1
        ? "\(counts.lowerBound)" : "\(counts.lowerBound) to \(counts.upperBound)"
      throw .prompts(
        "\(path):\(row.line): the model takes \(wanted) condition image"
          + "\(counts == 1...1 ? "" : "s") with a prompt, found \(names.count); name the files in "
          + "\"image\" or the list \"images\"")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    return names.map { URL(fileURLWithPath: $0, relativeTo: folder).standardizedFileURL.path }
  }

  private static func scene(
    _ row: PromptRow, _ path: String
  ) throws(TrainingError) -> ScenePrompt {
    do throws(GenEvalPrompt.Fault) {
      try GenEvalPrompt.checkKeys(row.metadata)
    } catch {
      throw .prompts(
        PromptFileError.malformed(path: path, line: row.line, reason: error.reason).description)
    }
    let members = row.metadata.sorted { $0.key < $1.key }.map { JSONValue.Member($0, $1) }
    do throws(PromptFileError) {
      return try PromptFile.prompt(
        Data(JSONValue.object(members).text.utf8), path: path, line: row.line)
    } catch {
      throw .prompts(error.description)
    }
  }

  private static func checkGenEval(_ row: PromptRow, _ path: String) throws(TrainingError) {
    do throws(GenEvalPrompt.Fault) {
      _ = try GenEvalPrompt(row.metadata)
    } catch {
      throw .prompts(
        "\(path):\(row.line): not GenEval's metadata (\(error.reason)); the reward geneval reads "
          + "tag, include and exclude of every prompt, see docs/rewards/geneval.md")
    }
  }
}
