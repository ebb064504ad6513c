import Foundation
import Foundations
import Runs
import TestSupport
import Testing
import Training

/// The shapes task with its reward rewritten in Python, in another process: the run must equal the
/// one with the built-in reward, bit for bit.
@MainActor
@Suite(.serialized, .cpuKernels) struct RewardTwinTests {
  private func settings(_ reward: String) -> [(String, String)] {
    let root = repositoryFolder()
    return [
      ("model: model", "model: \(root)/Models/shapes"),
      (
        "{train: train.jsonl, evaluation: held-out.jsonl, per_epoch: 4}",
        "{train: \(root)/Prompts/shapes/train.jsonl, "
          + "evaluation: \(root)/Prompts/shapes/held-out.jsonl, per_epoch: 4}"
      ),
      ("[{name: shapes}]", "[\(reward)]"),
      ("epochs: 4", "epochs: 2\nthreads: 1\nevaluation: {prompts: 12}"),
      ("steps: 3", "steps: 3, micro_batch: 16"),
    ]
  }

  private func expectSame(_ folder: TemporaryFolder, _ run: String) throws {
    func bytes(_ run: String, _ file: String) throws -> Data {
      try Data(contentsOf: URL(filePath: "\(folder.path)/\(run)/\(file)"))
    }
    for file in ["metrics.jsonl", "model/transformer/diffusion_pytorch_model.safetensors"] {
      #expect(try bytes("built-in", file) == bytes(run, file), "\(file) of \(run)")
    }
  }

  @Test func `a child process, a server and a killed server result in the built-in reward's run`()
    async throws
  {
    let folder = try TemporaryFolder()
    let whole = try await train(folder, settings("{name: shapes}"), run: "built-in")
    #expect(try #require(whole.before.overall.mean) > 0)

    let command = "[python3, \(rewardServer), 'shapes_reward:score', --stdio]"
    _ = try await train(
      folder,
      settings(
        "{name: process, label: shapes, command: \(command), directory: \(exampleRewards)}"),
      run: "process")
    try expectSame(folder, "process")

    let server = try RewardServer("shapes_reward:score")
    let http = "{name: http, label: shapes, urls: ['http://127.0.0.1:PORT'], batch_size: 4}"
    _ = try await train(
      folder, settings(http.replacing("PORT", with: "\(server.port)")), run: "http")
    try expectSame(folder, "http")

    // This server exits in the middle of the first epoch; another one starts after a second.
    let module = """
      import os, pathlib, signal, shapes_reward
      seen = 0
      def score(samples):
          global seen
          seen += len(samples)
          mark = pathlib.Path("was-killed")
          if seen > 12 + 14 and not mark.exists():
              mark.touch()
              os.kill(os.getpid(), signal.SIGKILL)
          return shapes_reward.score(samples)
      """
    try folder.write(module, to: "mortal.py")
    let mortal = try RewardServer("mortal:score", in: folder.path)
    let (port, path) = (mortal.port, folder.path)
    let restart = Task.detached { [mortal = Unchecked(mortal)] in
      mortal.value.wait()
      try await Task.sleep(for: .seconds(1))
      return Unchecked(try RewardServer("mortal:score", in: path, port: port))
    }
    _ = try await train(
      folder, settings(http.replacing("PORT", with: "\(port)")), run: "killed")
    // Ends the wait for a server that is still running.
    mortal.kill()
    let second = try await restart.value
    #expect(FileManager.default.fileExists(atPath: folder.path + "/was-killed"))
    try expectSame(folder, "killed")
    let images = try MetricsLog.read(folder.path + "/killed/metrics.jsonl")
      .compactMap { $0[.images]?.int }
    #expect(images == [32, 32])
    second.value.kill()
  }
}

/// Transfers a value to the one task that uses it.
private struct Unchecked<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
