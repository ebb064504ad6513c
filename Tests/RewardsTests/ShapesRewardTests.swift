import Foundations
import ImageFiles
import Rewards
import ShapeScenes
import Testing

@Suite struct ShapesRewardTests {
  private let prompt = ScenePrompt(
    tag: .colors, include: [.init(.circle, color: .red)], prompt: "a red circle")

  private func sample(_ image: PixelBuffer) -> RewardSample {
    RewardSample(image: image, prompt: prompt.prompt, metadata: prompt.metadata)
  }

  private func samples() -> [RewardSample] {
    var generator = SplitMix64(seed: 1)
    let blue = ScenePrompt(
      tag: .colors, include: [.init(.circle, color: .blue)], prompt: "a blue circle")
    return [prompt, blue].map {
      sample(SceneRenderer.render($0, using: &generator))
    }
  }

  @Test func `a right image scores 1 and a wrong color less in either mode`() async throws {
    let partial = try await ShapesReward(mode: .partial).score(samples())
    let strict = try await ShapesReward(mode: .strict).score(samples())
    #expect(partial.total[0] == 1)
    let near = try #require(partial.total[1] ?? nil)
    #expect(near > 0.2 && near < 0.6)
    #expect(strict.total == [1, 0])
  }

  @Test func `the total is the part shapes, and strict is a part in either mode`() async throws {
    for mode in ShapesReward.Mode.allCases {
      let scores = try await ShapesReward(mode: mode).score(samples())
      #expect(scores[part: "shapes"] == scores.total)
      #expect(scores[part: "strict"] == [1, 0])
      #expect(scores[part: "beauty"] == nil)
    }
  }

  /// The wanted red circle with a blue square beside it, and the square alone.
  private func surplusSamples() -> [RewardSample] {
    let circle = SceneObject(.circle, .red, x: 8, y: 9, radius: 5)
    let square = SceneObject(.square, .blue, x: 23, y: 22, radius: 5)
    return [[circle, square], [square], [square, circle]].map {
      sample(SceneRenderer.draw(Scene($0)))
    }
  }

  @Test func `a surplus shape halves the credit of one wanted shape, or is ignored`() async throws {
    let penalized = try await ShapesReward().score(surplusSamples())
    let ignored = try await ShapesReward(surplus: .ignored).score(surplusSamples())
    // At most 0.8 without exactness, times 1 wanted / 2 found.
    #expect(abs(try #require(penalized.total[0] ?? nil) - 0.4) < 0.02)
    #expect(ignored.total[0] == 1)
    // One shape alone has no surplus, whichever it is.
    #expect(penalized.total[1] == ignored.total[1])
    for scores in [penalized, ignored] {
      #expect(scores[part: "strict"] == [0, 0, 0])
      #expect(scores.total[2] == scores.total[0])
    }
  }

  @Test func `one shape more than is counted satisfies the count where surplus is ignored`()
    async throws
  {
    // An object of an image that is not exact has a little less than 1 even if it is clear.
    let likeness = 0.05
    let two = ScenePrompt(
      tag: .counting, include: [.init(.circle, count: 2)],
      exclude: [.init(.circle, count: 3)], prompt: "two circles")
    let objects = [(8, 9), (23, 9), (16, 23)].map {
      SceneObject(.circle, .red, x: $0, y: $1, radius: 5)
    }
    for (count, totals) in [(1, [0.4, 0.4]), (2, [1, 1]), (3, [0.8 * 2 / 3, 1])] {
      let image = SceneRenderer.draw(Scene(Array(objects.prefix(count))))
      let sample = RewardSample(image: image, prompt: two.prompt, metadata: two.metadata)
      for (surplus, total) in zip(SceneJudge.Surplus.allCases, totals) {
        let score = try await ShapesReward(surplus: surplus).score([sample])
        let found = try #require(score.total[0] ?? nil)
        #expect(abs(found - total) < likeness, "\(count) \(surplus)")
        #expect(score[part: "strict"] == [count == 2 ? 1 : 0])
      }
    }
  }

  @Test func `a blank image has no credit, also where surplus is ignored`() async throws {
    let blank = sample(PixelBuffer(width: 32, height: 32))
    let scores = try await ShapesReward(surplus: .ignored).score([blank])
    #expect(scores.total == [0])
  }

  @Test func `a sample of another task has no score, and the others keep theirs`()
    async throws
  {
    var samples = samples()
    samples[1].metadata = ["tag": "colors", "prompt": "a red circle"]
    let scores = try await ShapesReward().score(samples)
    #expect(scores.total == [1, nil])
    #expect(scores[part: "strict"] == [1, nil])
    #expect(scores.reasons == [1: "the prompt is not of the shapes task"])
  }

  @Test func `an empty batch has empty scores`() async throws {
    let scores = try await ShapesReward().score([])
    #expect(scores.total.isEmpty)
    #expect(scores.parts.allSatisfy { $0.values.isEmpty })
  }

  @Test func `images of another size are refused with both sizes named`() async {
    let large = sample(PixelBuffer(width: 512, height: 256))
    let error = await #expect(throws: RewardError.self) {
      try await ShapesReward().score([large])
    }
    #expect(
      error?.description == "the reward shapes failed: it judges images of 32 x 32 pixels, got "
        + "512 x 256; use a model of the shapes task")
  }

  @Test func `the same image scores the same every time`() async throws {
    let first = try await ShapesReward().score(samples())
    let second = try await ShapesReward().score(samples())
    #expect(first == second)
  }

  @Test func `the metadata of a prompt reads back as the same prompt`() throws {
    for prompt in ShapeGrammar.prompts().heldOut.prefix(100) {
      #expect(try ScenePrompt(metadata: prompt.metadata) == prompt)
    }
  }

  @Test(
    arguments: [
      (["tag": "colors", "include": [["class": "dog", "count": 1]], "prompt": "x"], "dog"),
      (["prompt": "a ring"], "the key \"tag\" is missing"),
      (
        ["tag": "colors", "include": [["class": "ring", "count": 1, "size": 3]], "prompt": "x"],
        "include[0] has the key \"size\""
      ),
    ] as [([String: JSONValue], String)])
  func `metadata of another task is refused before a run`(
    metadata: [String: JSONValue], says: String
  ) {
    let fault = #expect(throws: PromptFault.self) { try ShapesFactory.checkPrompt(metadata) }
    #expect(fault?.description.hasPrefix("not a prompt of the shapes task (") == true)
    #expect(fault?.description.contains(says) == true, "\(String(describing: fault))")
  }
}
