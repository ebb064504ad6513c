import Foundation
import Foundations
import ImageFiles
import ShapeScenes
import TestSupport
import Testing

/// The commands with an editing model, each in its own process.
@Suite(.serialized) struct EditCommandTests {
  private func run(
    _ arguments: [String], in folder: TemporaryFolder
  ) throws -> (status: Int32, output: String, errors: String) {
    let outcome = try TempFlowProcess.run(arguments, in: folder.path)
    return (outcome.status, outcome.output, outcome.errors)
  }

  private let sample = [
    "sample", "--model", "model", "--steps", "2", "--prompt", "make it red", "--output", "out",
    "--max-sequence-length", "8",
  ]

  @Test(arguments: [
    ("21x13.png", 20, 12), ("23x15.jpg", 20, 12), ("17x34.png", 16, 32),
  ])
  func `an edit has the size of its source, floored to what the model can make`(
    source: String, width: Int, height: Int
  ) throws {
    let folder = try editTask()
    let outcome = try run(sample + ["--image", "sources/\(source)"], in: folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let image = try PNG.read("\(folder.path)/out/0000.png")
    #expect(image.width == width && image.height == height)
    let sized = try run(
      sample + ["--image", "sources/\(source)", "--width", "24", "--height", "8"], in: folder)
    #expect(sized.status == 0, "\(sized.errors)")
    #expect(try PNG.read("\(folder.path)/out/0000.png").width == 24)
  }

  @Test(arguments: [
    (["--image", "sources/a.png", "--image", "sources/b.png"], "takes at most 1 source image, found 2"),
    (["--image", "missing.png"], "missing.png: cannot be read"),
    (["--image", "model/model_index.json"], "not a PNG or JPEG"),
  ])
  func `what cannot be a source image is an error`(options: [String], message: String) throws {
    let folder = try editTask()
    let outcome = try run(sample + options, in: folder)
    #expect(outcome.status != 0 && outcome.errors.contains(message), "\(outcome.errors)")
  }

  @Test func `sources of different sizes need a size, and a model without edits takes none`() throws {
    let folder = try editTask()
    try folder.write(
      "{\"prompt\": \"a\", \"image\": \"sources/21x13.png\"}\n"
        + "{\"prompt\": \"b\", \"image\": \"sources/17x34.png\"}", to: "two.jsonl")
    let evaluate = [
      "evaluate", "--model", "model", "--prompts", "two.jsonl", "--steps", "2", "--reward",
      "jpeg_compressibility", "--max-sequence-length", "8",
    ]
    let mixed = try run(evaluate, in: folder)
    #expect(mixed.status != 0 && mixed.errors.contains("different sizes"), "\(mixed.errors)")
    let sized = try run(evaluate + ["--height", "12", "--width", "20"], in: folder)
    #expect(sized.status == 0, "\(sized.errors)")

    try FileManager.default.copyItem(
      atPath: fixture("flux-dev/model"), toPath: "\(folder.path)/plain")
    var plain = sample + ["--image", "sources/21x13.png"]
    plain[2] = "plain"
    let refused = try run(plain, in: folder)
    #expect(
      refused.status != 0 && refused.errors.contains("takes no source image"), "\(refused.errors)")
    let scored = try run(
      ["evaluate", "--model", "plain", "--prompts", "held-out.jsonl", "--reward", "shapes_edit"],
      in: folder)
    #expect(scored.status != 0 && scored.errors.contains("scores edits"), "\(scored.errors)")
  }

  @Test func `score compares each image with the source of its prompt`() throws {
    let folder = try TemporaryFolder()
    let file = EditGrammar.files().heldOut
    let prompts = Array(file.prompts.prefix(3))
    for name in ["sources", "images"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
    }
    for (index, prompt) in prompts.enumerated() {
      let source = try #require(file.sources.first { $0.name == prompt.image }).image
      try PNG.write(source, to: "\(folder.path)/\(prompt.image)")
      // The first image is an edit, the second is its source, the last is empty.
      var generator = SplitMix64(seed: 3)
      let edited = EditLayout.scenes(for: prompt.edit, using: &generator)
      let images = [
        SceneRenderer.draw(edited.after), source, PixelBuffer(width: 32, height: 32),
      ]
      if index == 0 {
        try PNG.write(SceneRenderer.draw(edited.before), to: "\(folder.path)/\(prompt.image)")
      }
      try PNG.write(images[index], to: "\(folder.path)/images/\(index).png")
    }
    try AtomicFile.write(try PromptFile.text(prompts), to: "\(folder.path)/prompts.jsonl")
    let outcome = try run(
      ["score", "--reward", "shapes_edit", "--images", "images", "--prompts", "prompts.jsonl"]
        + ["--json"], in: folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let scores = (report["images"] as? [[String: Any]] ?? []).map { $0["score"] as? Double }
    #expect(scores == [1, 0, 0])
  }
}
