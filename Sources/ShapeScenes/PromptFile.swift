package import Foundation
internal import Foundations

/// Prompts on disk: JSON lines, one ``ScenePrompt`` each; empty lines are skipped.
package enum PromptFile {
  /// Reads and checks every prompt of the file, in order.
  ///
  /// - Throws: ``PromptFileError``, with the line of what is not a prompt of this task.
  package static func read(_ path: String) throws(PromptFileError) -> [ScenePrompt] {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
    var prompts: [ScenePrompt] = []
    for (index, line) in data.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) {
      do throws(ScenePrompt.Fault) {
        prompts.append(try ScenePrompt(json: Data(line)))
      } catch {
        throw .malformed(path: path, line: index + 1, error)
      }
    }
    if prompts.isEmpty { throw .empty(path: path) }
    return prompts
  }

  /// Writes the prompts, one per line with sorted keys, and replaces the file atomically.
  package static func write(
    _ prompts: [ScenePrompt], to path: String
  ) throws(PromptFileError) {
    do {
      try AtomicFile.write(try text(prompts), to: path)
    } catch let error as FileError {
      throw .unwritable(path: path, reason: error.reason)
    } catch {
      throw .unwritable(path: path, reason: error.localizedDescription)
    }
  }

  /// The content of the file that ``write(_:to:)`` writes.
  package static func text(_ prompts: [some Encodable]) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text = Data()
    for prompt in prompts {
      text += try encoder.encode(prompt)
      text.append(0x0A)
    }
    return text
  }
}
