import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Rewards
import Runs
import ShapeScenes
import TestSupport
import Testing
import Torch
import Training

@Suite struct PretrainerTests {
  @Test func `a tiny run lowers both losses and saves a folder that loads`() async throws {
    try await withTemporaryFolder { folder in
      let lines = Lines()
      let outcome = try await run(tinyPretraining(folder), lines)
      for stage in ["autoencoder", "flow"] {
        let losses = lines.losses(of: stage)
        let (first, last) = try (#require(losses.first), #require(losses.last))
        #expect(last < 0.8 * first, "\(stage): \(losses)")
      }
      let pipeline = try StableDiffusion3Pipeline(folder: "\(folder)/model")
      #expect(pipeline.latentShape(count: 1) == [1, 4, 8, 8])
      #expect(outcome.accuracy.overall.count == outcome.evaluationProtocol.promptCount)
      #expect(outcome.parameterCounts.keys.sorted() == [
        "text_encoder", "text_encoder_2", "transformer", "vae",
      ])
    }
  }

  @Test func `equal recipes result in equal weights, another seed in others`() async throws {
    try await withTemporaryFolder { folder in
      for (name, seed) in [("a", 5), ("b", 5), ("c", 6)] {
        let changes = ["seed=\(seed)", "output=\(folder)/\(name)"]
        _ = try await run(tinyPretraining(folder, changes: changes), Lines())
      }
      let weights = try ["a", "b", "c"].map { name in
        try Data(contentsOf: URL(
          filePath: "\(folder)/\(name)/transformer/diffusion_pytorch_model.safetensors"))
      }
      #expect(weights[0] == weights[1])
      #expect(weights[0] != weights[2])
    }
  }

  @Test func `the saved latents have mean 0 and standard deviation 1`() async throws {
    try await withTemporaryFolder { folder in
      let lines = Lines()
      _ = try await run(tinyPretraining(folder), lines)
      let network = try StableDiffusion3Pipeline(folder: "\(folder)/model").autoencoder.network
      let shift = try #require(network.configuration.shiftFactor)
      #expect(lines.text.contains("shift_factor \(String(format: "%.3f", shift))"))
      // Of other images than those that were measured.
      var generator = SplitMix64(seed: 5)
      let images = try PretrainingTask.shapes.prompts(promptFile("train")).prefix(200).map {
        SceneRenderer.render(try ScenePrompt(metadata: $0.metadata), using: &generator)
      }
      let pixels = images.flatMap { $0.pixels.map { Float($0) / 127.5 - 1 } }
      let batch = Tensor(pixels, shape: [200, images[0].height, images[0].width, 3])
        .permuted([0, 3, 1, 2]).contiguous()
      let latents = withoutGradient {
        (network.encode(batch).mean - shift) * network.configuration.scalingFactor
      }
      let mean = latents.mean().item()
      let deviation = (latents - mean).squared().mean().item().squareRoot()
      #expect(abs(mean) < 0.1 && abs(deviation - 1) < 0.1, "\(mean), \(deviation)")
    }
  }

  @Test func `a stop is an error with its stage and step, and leaves no folder`() async throws {
    try await withTemporaryFolder { folder in
      let recipe = try tinyPretraining(folder)
      let pretrainer = try Pretrainer(recipe, progress: Lines().reporter) { true }
      let error = await #expect(throws: PretrainingError.self) { _ = try await pretrainer.run() }
      guard case .stopped(stage: "autoencoder", step: 1) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/model"))
    }
  }

  @Test func `a folder of other things is refused before anything is trained`() async throws {
    try await withTemporaryFolder { folder in
      let other = "\(folder)/model/notes.txt"
      try FileTree.makeFolder("\(folder)/model")
      try AtomicFile.write("mine", to: other)
      let lines = Lines()
      let error = await #expect(throws: PretrainingError.self) {
        _ = try await run(tinyPretraining(folder), lines)
      }
      #expect(
        error?.description.contains("folder of other things") == true,
        "\(String(describing: error))")
      #expect(lines.text.isEmpty, "\(lines.text)")
      #expect(try AtomicFile.read(other) == Array("mine".utf8))
    }
  }

  private func run(
    _ recipe: PretrainingRecipe, _ lines: Lines
  ) async throws -> Pretrainer.Outcome {
    try await Pretrainer(recipe, progress: lines.reporter).run()
  }
}
