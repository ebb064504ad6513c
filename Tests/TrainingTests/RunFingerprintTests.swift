import Foundation
import Rewards
import Runs
import TestSupport
import Testing
import Torch
import Training

/// Runs whose prompts or model change before they are resumed.
@MainActor
@Suite(.serialized) struct RunFingerprintTests {
  private let settings = [("epochs: 4", "epochs: 2\nthreads: 1")]
  private let longer = [("epochs: 4", "epochs: 3\nthreads: 1")]
  private var scorer: Scorer {
    let reward = StubReward { samples throws(RewardError) in
      RewardScores(total: samples.map { brightness($0.image) })
    }
    return Scorer([reward], weights: [1])
  }

  /// The error of a run resumed after a change.
  private func failure(
    in folder: TemporaryFolder, after change: () throws -> Void
  ) async throws -> String {
    try change()
    let recipe = "\(folder.path)/run/recipe.yaml"
    let before = try String(contentsOfFile: recipe, encoding: .utf8)
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(folder, longer, resume: true, scorer: scorer)
    }
    let text = error?.description ?? ""
    #expect(text.contains("checkpoints/000002 was trained with other files"), "\(text)")
    #expect(text.contains("--run-dir"), "\(text)")
    #expect(try String(contentsOfFile: recipe, encoding: .utf8) == before)
    return text
  }

  @Test(arguments: ["train.jsonl", "held-out.jsonl"])
  func `a changed prompt file is named, and the run resumes with the original`(
    name: String
  ) async throws {
    let folder = try tinyTask()
    _ = try await train(folder, settings, scorer: scorer)
    let path = "\(folder.path)/\(name)"
    let original = try String(contentsOfFile: path, encoding: .utf8)
    let text = try await failure(in: folder) {
      try folder.write(original.replacing("a photo of", with: "a picture of"), to: name)
    }
    #expect(text.contains("changed since: \(path);"), "\(text)")
    try folder.write(original, to: name)
    #expect(try await train(folder, longer, resume: true, scorer: scorer).epochs == 3)
  }

  @Test func `a run goes on with equal files at other places, under the name that it began with`()
    async throws
  {
    let folder = try tinyTask()
    _ = try await train(folder, settings, scorer: scorer)
    let places = [("model", "moved"), ("train.jsonl", "a.jsonl"), ("held-out.jsonl", "b.jsonl")]
    for (old, new) in places {
      try FileManager.default.moveItem(
        atPath: "\(folder.path)/\(old)", toPath: "\(folder.path)/\(new)")
    }
    let moved = [
      ("model: model", "model: moved"),
      ("train: train.jsonl, evaluation: held-out.jsonl", "train: a.jsonl, evaluation: b.jsonl"),
    ]
    #expect(try await train(folder, longer + moved, resume: true, scorer: scorer).epochs == 3)
    let text = try String(contentsOfFile: "\(folder.path)/run/recipe.yaml", encoding: .utf8)
    #expect(text.contains("\(folder.path)/moved\n") && text.contains("a.jsonl"), "\(text)")
  }

  @Test func `a reward's network may move, and not change`() async throws {
    let folder = try tinyTask()
    try FileManager.default.copyItem(
      atPath: fixture("rewards/clip/gelu"), toPath: "\(folder.path)/clip")
    func changes(_ epochs: Int, _ place: String) -> [(String, String)] {
      let reward = "{name: pickscore, model: \(place), threshold: 100}"
      return [("epochs: 4", "epochs: \(epochs)\nthreads: 1\nheld_out_rewards: [\(reward)]")]
    }
    _ = try await train(folder, changes(2, "clip"), scorer: scorer)
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/clip", toPath: "\(folder.path)/moved")
    try folder.write("{}", to: "moved/other.json")
    let moved = try await train(folder, changes(3, "moved"), resume: true, scorer: scorer)
    #expect(moved.epochs == 3)
    let path = "\(folder.path)/moved/preprocessor_config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try folder.write(text + " ", to: "moved/preprocessor_config.json")
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(folder, changes(4, "moved"), resume: true, scorer: scorer)
    }
    let reason = error?.description ?? ""
    #expect(reason.contains("changed since: the network of held_out_rewards.0;"), "\(reason)")
  }

  @Test(arguments: [
    ("transformer", "transformer_blocks.1.attn.to_k.weight", "transformer/transformer_blocks.1"),
    ("vae", "decoder.conv_out.bias", "vae/decoder"),
    ("text_encoder_2", "text_projection.weight", "text_encoder_2"),
  ])
  func `changed weights are refused with their component`(
    component: String, weight: String, part: String
  ) async throws {
    let folder = try tinyTask()
    _ = try await train(folder, settings, scorer: scorer)
    let text = try await failure(in: folder) {
      try scaleWeights([weight: 1.01], of: component, in: folder.path + "/model")
    }
    #expect(text.contains("changed since: \(folder.path)/model/\(part);"), "\(text)")
  }

  @Test func `a changed configuration is refused`() async throws {
    let folder = try tinyTask()
    _ = try await train(folder, settings, scorer: scorer)
    let path = "model/scheduler/scheduler_config.json"
    let text = try await failure(in: folder) {
      let file = try String(contentsOfFile: "\(folder.path)/\(path)", encoding: .utf8)
      let changed = file.replacing(/"shift" ?: ?[0-9.]+/, with: "\"shift\": 2.5")
      #expect(changed != file)
      try folder.write(changed, to: path)
    }
    #expect(text.contains("changed since: \(folder.path)/model/scheduler;"), "\(text)")
  }

  @Test func `a checkpoint without a fingerprint is refused`() async throws {
    let folder = try tinyTask()
    _ = try await train(folder, settings, scorer: scorer)
    let checkpoints = "\(folder.path)/run/checkpoints"
    let saved = "\(folder.path)/saved"
    try FileManager.default.copyItem(atPath: "\(checkpoints)/000002", toPath: saved)
    _ = try CheckpointStore(checkpoints, keep: 2).save(2) { draft in
      for name in try FileManager.default.contentsOfDirectory(atPath: saved)
      where name != "manifest.json" {
        var data = try Data(contentsOf: URL(filePath: "\(saved)/\(name)"))
        if name == "state.json" {
          let object = try JSONSerialization.jsonObject(with: data)
          var state = try #require(object as? [String: Any])
          #expect(state.removeValue(forKey: "fingerprint") != nil)
          data = try JSONSerialization.data(withJSONObject: state)
        }
        try data.write(to: URL(filePath: "\(draft)/\(name)"))
      }
    }
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(folder, longer, resume: true, scorer: scorer)
    }
    guard case .state(let path, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(path == "\(checkpoints)/000002/state.json")
    #expect(reason.contains("fingerprint"), "\(reason)")
  }
}
