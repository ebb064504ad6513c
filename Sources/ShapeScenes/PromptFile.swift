package import Foundation

/// Prompts on disk: JSON lines, one ``ScenePrompt`` each; empty lines are skipped.
package enum PromptFile {
  /// Reads and checks every prompt of the file, in order.
  ///
  /// Throws ``PromptFileError`` with the line for anything that is not a prompt of this task.
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
      prompts.append(try prompt(Data(line), path: path, line: index + 1))
    }
    if prompts.isEmpty { throw .empty(path: path) }
    return prompts
  }

  /// Reads and checks one prompt, a JSON object.
  ///
  /// - Parameters:
  ///   - path: for the error's text, as `line`.
  ///   - line: from 1.
  package static func prompt(
    _ object: Data, path: String, line: Int
  ) throws(PromptFileError) -> ScenePrompt {
    let prompt: ScenePrompt
    do {
      prompt = try JSONDecoder().decode(ScenePrompt.self, from: object)
    } catch {
      throw .malformed(path: path, line: line, reason: reason(error))
    }
    if let fault = prompt.fault { throw .malformed(path: path, line: line, reason: fault) }
    return prompt
  }

  /// Writes the prompts, one a line with sorted keys, replacing the file as a whole.
  package static func write(
    _ prompts: [ScenePrompt], to path: String
  ) throws(PromptFileError) {
    do {
      try text(prompts).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw .unwritable(path: path, reason: error.localizedDescription)
    }
  }

  /// The bytes that ``write(_:to:)`` puts into the file.
  package static func text(_ prompts: [ScenePrompt]) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text = Data()
    for prompt in prompts {
      text += try encoder.encode(prompt)
      text.append(0x0A)
    }
    return text
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return error.localizedDescription }
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    }
    switch error {
    case .keyNotFound(let key, _): return "the key \"\(key.stringValue)\" is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      return place(context)
    @unknown default: return error.localizedDescription
    }
  }
}

extension ScenePrompt {
  /// What makes the prompt impossible to judge, or nil.
  var fault: String? {
    if include.isEmpty { return "include is empty" }
    for (index, requirement) in include.enumerated() {
      if requirement.count < 1 { return "include[\(index)].count is below 1" }
      if let position = requirement.position,
        !include.indices.contains(position.reference) || position.reference == index
      {
        return "include[\(index)].position names requirement \(position.reference)"
      }
    }
    if objectCount > SceneLayout.maximumObjects {
      return "\(objectCount) objects, more than the \(SceneLayout.maximumObjects) that fit"
    }
    return nil
  }
}
