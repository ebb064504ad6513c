internal import Foundation
package import Foundations
internal import ImageFiles
package import ShapeScenes

/// The metadata of a prompt as one JSON object, keys sorted.
func jsonLine(_ metadata: [String: JSONValue]) -> Data {
  let members = metadata.sorted { $0.key < $1.key }.map { JSONValue.Member($0, $1) }
  return Data(JSONValue.object(members).text.utf8)
}

extension ScenePrompt {
  /// Reads the metadata of a prompt: GenEval's keys with classes and colors of the shapes task.
  ///
  /// - Throws: ``PromptFault`` for metadata of another task, or with a key that is not known.
  package init(metadata: [String: JSONValue]) throws(PromptFault) {
    do throws(GenEvalPrompt.Fault) {
      try GenEvalPrompt.checkKeys(metadata)
    } catch {
      throw PromptFault(ScenePrompt.Fault(reason: error.reason).description)
    }
    do throws(ScenePrompt.Fault) {
      try self.init(json: jsonLine(metadata))
    } catch {
      throw PromptFault(error.description)
    }
  }

  /// The prompt as the line of a prompt file, by key.
  package var metadata: [String: JSONValue] {
    var metadata: [String: JSONValue] = [
      "tag": .string(tag.rawValue), "prompt": .string(prompt),
      "include": .array(include.map(\.json)),
    ]
    if let exclude { metadata["exclude"] = .array(exclude.map(\.json)) }
    return metadata
  }
}

extension ScenePrompt.Requirement {
  fileprivate var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("class", .string(shape.rawValue)), .init("count", .int(count)),
    ]
    if let color { members.append(.init("color", .string(color.rawValue))) }
    if let position {
      members.append(
        .init("position", [.string(position.relation.rawValue), .int(position.reference)]))
    }
    return .object(members)
  }
}

extension ScenePrompt.Limit {
  fileprivate var json: JSONValue {
    ["class": .string(shape.rawValue), "count": .int(count)]
  }
}
