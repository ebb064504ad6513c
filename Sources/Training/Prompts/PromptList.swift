internal import Foundation
internal import JSON
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
    var scenes: [ScenePrompt]?
    if rewards.contains(where: RewardRegistry.judgesScenes) {
      do throws(PromptFileError) {
        scenes = try PromptFile.read(path)
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
      let isObject = scenes != nil || path.hasSuffix(".jsonl")
      var prompt = isObject ? try object(line, "\(path):\(index + 1)") : Prompt(line)
      prompt.scene = scenes?[prompts.count]
      prompts.append(prompt)
    }
    if prompts.isEmpty { throw .prompts("\(path): holds no prompt; write one a line") }
    return prompts
  }

  private static func object(_ line: String, _ place: String) throws(TrainingError) -> Prompt {
    let malformed = TrainingError.prompts(
      "\(place): not a prompt; each line is one JSON object with \"prompt\": text and optionally "
        + "\"tag\": text")
    let json: JSONValue
    do throws(JSONParser.Failure) {
      json = try JSONParser.parse(Array(line.utf8)[...])
    } catch {
      throw malformed
    }
    let tag = json["tag"] ?? .null
    guard let members = json.members, let text = json["prompt"]?.string,
      tag == .null || tag.string != nil
    else { throw malformed }
    let prompt = text.trimmingCharacters(in: .whitespaces.union(.newlines))
    guard !prompt.isEmpty else { throw .prompts("\(place): the prompt is empty") }
    return Prompt(
      prompt, tag: tag.string,
      metadata: Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) }))
  }
}
