import Foundation
import TestSupport

/// A folder with the tiny editing model of the fixtures, `model`, its source images, `sources`, and
/// prompts for them.
func editTask() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  for name in ["model", "sources"] {
    try FileManager.default.copyItem(
      atPath: fixture("flux-kontext/\(name)"), toPath: "\(folder.path)/\(name)")
  }
  let sources = ["21x13.png", "20x12.png", "23x15.jpg"]
  for (name, count) in [("train.jsonl", 6), ("held-out.jsonl", 3)] {
    let lines = (0..<count).map {
      "{\"prompt\": \"make \($0) circles red\", \"image\": \"sources/\(sources[$0 % 3])\"}"
    }
    try folder.write(lines.joined(separator: "\n"), to: name)
  }
  return folder
}

/// A recipe for `editTask()`: adapters, two epochs, images of 20 x 12 pixels.
func editRecipeText(reward: String) -> String {
  recipeText([
    (
      "trainable: full",
      "trainable: lora\nresolution: [12, 20]\nmax_sequence_length: 8\nlora: {rank: 2}\n"
        + "threads: 1\ncheckpoints: {every: 1}\nema: {update_every: 1}"
    ),
    ("clip_range: 3e-2", "clip_range: [2e-2, 5e-2], kl_beta: 0.01"),
    ("[{name: shapes}]", "[{name: \(reward)}]"), ("epochs: 4", "epochs: 2"),
  ])
}
