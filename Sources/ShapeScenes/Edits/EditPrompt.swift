package import Foundation

/// One instruction of the `shapes-edit` task: the line of a prompt file.
///
///     {"tag": "color", "edit": {"kind": "color", "class": "square", "color": "red"},
///      "image": "sources/train-000.png", "prompt": "make the square red"}
package struct EditPrompt: Codable, Hashable, Sendable {
  package var tag: SceneEdit.Kind
  package var edit: SceneEdit
  /// The file of the source image, relative to the prompt file.
  package var image: String
  /// The text for the model.
  package var prompt: String

  package init(_ edit: SceneEdit, image: String, prompt: String) {
    tag = edit.kind
    self.edit = edit
    self.image = image
    self.prompt = prompt
  }

  /// Decodes and checks one prompt, a JSON object.
  ///
  /// - Throws: ``Fault``.
  package init(json: Data) throws(Fault) {
    do {
      self = try JSONDecoder().decode(EditPrompt.self, from: json)
    } catch {
      throw Fault(reason: ScenePrompt.reason(error))
    }
    guard tag == edit.kind else {
      throw Fault(reason: "tag is \(tag.rawValue) and edit.kind \(edit.kind.rawValue)")
    }
  }

  /// Why a text is not a prompt of this task.
  package struct Fault: Error, Equatable, CustomStringConvertible {
    /// The fault, with the key.
    package let reason: String

    package var description: String {
      "not a prompt of the shapes-edit task (\(reason)); each line is one JSON object with tag, "
        + "edit, image and prompt"
    }
  }
}
