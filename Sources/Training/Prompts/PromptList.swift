internal import Foundation
package import Rewards
internal import ShapeScenes

/// Prompts on disk. A `.jsonl` file holds one JSON object a line, with the key `prompt`, optionally
/// `tag`, and whatever a reward reads besides; any other file holds one prompt a line. Empty lines
/// are skipped, and white space around a prompt is dropped.
package enum PromptList {
  /// Reads every prompt of the file, in order.
  ///
  /// - Parameter rewards: names of the rewards that will judge the images; one that judges scenes
  ///   makes every line a prompt of the shapes task.
  /// - Throws: `TrainingError.prompts`, with file, line and what a line must hold.
  package static func read(
    _ path: String, for rewards: [String] = []
  ) throws(TrainingError) -> [Prompt] {
    if rewards.contains(where: RewardRegistry.judgesScenes) {
      do throws(PromptFileError) {
        return try PromptFile.read(path).map(Prompt.init)
      } catch {
        throw .prompts(error.description)
      }
    }
    let text: String
    do {
      text = try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
    } catch {
      throw .prompts("\(path): cannot be read as UTF-8 text (\(error.localizedDescription))")
    }
    var prompts: [Prompt] = []
    // A line ends at "\n" alone: Swift's own lines would end at other characters, too.
    for (index, bytes) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)
      .enumerated()
    {
      let line = String(Substring(bytes)).trimmingCharacters(in: .whitespaces.union(.newlines))
      guard !line.isEmpty else { continue }
      prompts.append(
        path.hasSuffix(".jsonl") ? try object(line, "\(path):\(index + 1)") : Prompt(line))
    }
    if prompts.isEmpty { throw .prompts("\(path): holds no prompt; write one a line") }
    return prompts
  }

  private struct Line: Decodable {
    let prompt: String
    let tag: String?
  }

  private static func object(_ line: String, _ place: String) throws(TrainingError) -> Prompt {
    let object: Line
    do {
      object = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
    } catch {
      throw .prompts(
        "\(place): not a prompt; each line is one JSON object with \"prompt\": text and "
          + "optionally \"tag\": text")
    }
    let text = object.prompt.trimmingCharacters(in: .whitespaces.union(.newlines))
    guard !text.isEmpty else { throw .prompts("\(place): the prompt is empty") }
    return Prompt(text, tag: object.tag)
  }
}
