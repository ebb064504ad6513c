import DiffusionModels
import Foundations
import ImageFiles
import Rewards
import Runs
import ShapeScenes
import TestSupport
import Testing
import Torch
import Training

@Suite struct ImageSamplingTests {
  @Test func `noise depends on the seed and the image's index alone`() {
    let sampling = ImageSampling(steps: 2, seed: 7)
    let four = sampling.noise(of: 0..<4, latentShape: [4, 8, 8])
    let two = sampling.noise(of: 0..<2, latentShape: [4, 8, 8])
    #expect(four.shape == [4, 4, 8, 8])
    #expect(four.narrowed(dim: 0, start: 0, length: 2).floats() == two.floats())
    let other = ImageSampling(steps: 2, seed: 8).noise(of: 0..<2, latentShape: [4, 8, 8])
    #expect(other.floats() != two.floats())
  }

  @Test func `the same seeds result in the same images and scores every time`() async throws {
    try await withTemporaryFolder { folder in
      let recipe = try tinyPretraining(folder, changes: ["flow.steps=2"])
      _ = try await Pretrainer(recipe, progress: Lines().reporter).run()
      let pipeline = try StableDiffusion3Pipeline(folder: "\(folder)/model")
      let prompts = Array(
        try PromptList.read(promptFile("held-out"), for: [RewardEntry(ShapesFactory())]).prefix(6))
      let sampling = ImageSampling(steps: 3, seed: 4)
      let first = try sampling.images(of: prompts.map(\.text), pipeline)
      _ = Generator(seed: 1)
      let second = try sampling.images(of: prompts.map(\.text), pipeline)
      #expect(first == second)
      let scores = try await [first, second].asyncMap {
        try await Evaluation($0, of: prompts, prompts.map { _ in [] }, by: ShapesReward()).scores
      }
      #expect(scores[0] == scores[1])
    }
  }

  @Test func `guidance 1 and no guidance are the same, guidance 3 is not`() async throws {
    try await withTemporaryFolder { folder in
      let recipe = try tinyPretraining(folder)
      _ = try await Pretrainer(recipe, progress: Lines().reporter).run()
      let pipeline = try StableDiffusion3Pipeline(folder: "\(folder)/model")
      let prompts = ["a red circle", "two rings"]
      let plain = ImageSampling(steps: 3, seed: 4).latents(of: prompts, pipeline).floats()
      let off = ImageSampling(steps: 3, guidanceScale: 0.5, seed: 4).latents(of: prompts, pipeline)
      #expect(off.floats() == plain)
      let guided = ImageSampling(steps: 3, guidanceScale: 3, seed: 4).latents(of: prompts, pipeline)
      #expect(guided.floats() != plain)
      #expect(guided.isFinite().all().bools() == [true])
    }
  }

  @Test func `matching images score 1, per tag and overall, with counts`() async throws {
    let prompts = Array(try PretrainingTask.shapes.prompts(promptFile("held-out")).prefix(60))
    var generator = SplitMix64(seed: 3)
    let images = try prompts.map {
      SceneRenderer.render(try ScenePrompt(metadata: $0.metadata), using: &generator)
    }
    let evaluation = try await Evaluation(
      images, of: prompts, prompts.map { _ in [] }, by: ShapesReward())
    let strict = try #require(evaluation.scores(part: "strict"))
    #expect(try #require(strict.overall.mean) >= 0.98)
    #expect(strict.overall.count == 60)
    #expect(strict.tags.values.reduce(0) { $0 + $1.count } == 60)
  }
}

extension Array {
  /// The results of `body` for all elements, computed one by one.
  fileprivate func asyncMap<Result>(
    _ body: (Element) async throws -> Result
  ) async rethrows -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await body(element)) }
    return results
  }
}
