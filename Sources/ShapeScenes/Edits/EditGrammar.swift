internal import Foundations
package import ImageFiles

/// The prompts and source images of the `shapes-edit` task, divided into a training file, a
/// held-out file and a validation file, with which settings are chosen. No two have a source image
/// in common.
package enum EditGrammar {
  /// Source images of the training file, and prompts of each kind for one of them.
  static let training = (sources: 250, perKind: 2)
  /// Source images of the held-out and of the validation file, and prompts of each kind for one of
  /// them.
  static let heldOut = (sources: 125, perKind: 1)

  /// The prompts of one file and their source images.
  package struct File: Sendable {
    package var prompts: [EditPrompt]
    /// By the name that the prompts have for them.
    package var sources: [(name: String, image: PixelBuffer)]
  }

  /// The prompts of the three files; every call returns the same ones.
  package static func files() -> (training: File, heldOut: File, validation: File) {
    var generator = SplitMix64(seed: 0xED17_5EED)
    return (
      file("train", training.sources, training.perKind, using: &generator),
      file("held-out", heldOut.sources, heldOut.perKind, using: &generator),
      file("validation", heldOut.sources, heldOut.perKind, using: &generator)
    )
  }

  /// Writes `train.jsonl`, `held-out.jsonl`, `validation.jsonl` and their source images into the
  /// folder.
  package static func write(to folder: String) throws {
    try FileTree.makeFolder("\(folder)/sources")
    let (training, heldOut, validation) = files()
    for (name, file) in [
      ("train", training), ("held-out", heldOut), ("validation", validation),
    ] {
      try AtomicFile.write(try PromptFile.text(file.prompts), to: "\(folder)/\(name).jsonl")
      for source in file.sources { try PNG.write(source.image, to: "\(folder)/\(source.name)") }
    }
  }

  private static func file(
    _ name: String, _ count: Int, _ perKind: Int, using generator: inout SplitMix64
  ) -> File {
    var file = File(prompts: [], sources: [])
    while file.sources.count < count {
      let image = "sources/\(name)-\(file.sources.count.digits(3)).png"
      let scene = EditLayout.scene(using: &generator)
      var prompts: [EditPrompt] = []
      for kind in SceneEdit.Kind.allCases {
        let edits = edits(kind).filter {
          EditLayout.scene(after: $0, in: scene, using: &generator) != nil
        }
        for edit in generator.shuffled(edits).prefix(perKind) {
          prompts.append(
            EditPrompt(edit, image: image, prompt: generator.pick(wordings(edit))))
        }
      }
      // A scene that is too full for an object or a move is left out.
      guard prompts.count == perKind * SceneEdit.Kind.allCases.count else { continue }
      file.prompts += prompts
      file.sources.append((image, SceneRenderer.draw(scene)))
    }
    file.prompts = generator.shuffled(file.prompts)
    return file
  }

  /// Every edit of a kind.
  private static func edits(_ kind: SceneEdit.Kind) -> [SceneEdit] {
    SceneShape.allCases.flatMap { shape -> [SceneEdit] in
      switch kind {
      case .color: SceneColor.allCases.map { .color(shape, $0) }
      case .remove: [.remove(shape)]
      case .add: SceneColor.allCases.map { .add(shape, $0) }
      case .move: SceneEdit.Direction.allCases.map { .move(shape, $0) }
      }
    }
  }

  /// The texts that ask for an edit.
  package static func wordings(_ edit: SceneEdit) -> [String] {
    let shape = edit.shape.rawValue
    switch edit {
    case .color(_, let color):
      return [
        "make the \(shape) \(color.rawValue)", "change the \(shape) to \(color.rawValue)",
        "paint the \(shape) \(color.rawValue)",
      ]
    case .remove: return ["remove the \(shape)", "delete the \(shape)", "take away the \(shape)"]
    case .add(_, let color):
      return ["add a \(color.rawValue) \(shape)", "put in a \(color.rawValue) \(shape)"]
    case .move(_, let direction):
      let side =
        [.left, .right].contains(direction)
        ? "to the \(direction.rawValue)"
        : direction.rawValue
      return ["move the \(shape) \(side)", "shift the \(shape) \(side)"]
    }
  }
}
