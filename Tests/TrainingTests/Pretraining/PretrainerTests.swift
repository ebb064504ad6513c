import DiffusionModels
import Foundation
import Runs
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
      let pipeline = try StableDiffusion3Pipeline(folder: "\(folder)/model")
      let configuration = pipeline.autoencoder.network.configuration
      let shift = try #require(configuration.shiftFactor)
      #expect(lines.text.contains("shift_factor \(String(format: "%.3f", shift))"))
      #expect(configuration.scalingFactor > 0)
    }
  }

  @Test func `a stop is an error with its stage and step, and leaves no folder`() async throws {
    try await withTemporaryFolder { folder in
      let recipe = try tinyPretraining(folder)
      let pretrainer = try Pretrainer(recipe, progress: Lines().reporter) { true }
      await #expect(throws: PretrainingError.self) { _ = try await pretrainer.run() }
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/model"))
    }
  }

  private func run(
    _ recipe: PretrainingRecipe, _ lines: Lines
  ) async throws -> Pretrainer.Outcome {
    try await Pretrainer(recipe, progress: lines.reporter).run()
  }
}
