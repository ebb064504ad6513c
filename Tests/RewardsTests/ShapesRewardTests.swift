import ImageFiles
import Rewards
import ShapeScenes
import Testing

@Suite struct ShapesRewardTests {
  private let prompt = ScenePrompt(
    tag: .colors, include: [.init(.circle, color: .red)], prompt: "a red circle")

  private func samples() -> [RewardSample] {
    var generator = SplitMix64(seed: 1)
    let blue = ScenePrompt(
      tag: .colors, include: [.init(.circle, color: .blue)], prompt: "a blue circle")
    return [prompt, blue].map {
      RewardSample(image: SceneRenderer.render($0, using: &generator), scene: prompt)
    }
  }

  @Test func `a right image earns one and a wrong color earns less in either mode`() async throws {
    let partial = try await ShapesReward(mode: .partial).score(samples())
    let strict = try await ShapesReward(mode: .strict).score(samples())
    #expect(partial.total[0] == 1)
    let near = try #require(partial.total[1] ?? nil)
    #expect(near > 0.2 && near < 0.6)
    #expect(strict.total == [1, 0])
  }

  @Test func `the total is the part shapes and strict is a part whatever the mode`() async throws {
    for mode in ShapesReward.Mode.allCases {
      let scores = try await ShapesReward(mode: mode).score(samples())
      #expect(scores[part: "shapes"] == scores.total)
      #expect(scores[part: "strict"] == [1, 0])
      #expect(scores[part: "beauty"] == nil)
    }
  }

  @Test func `a sample without a scene cannot be scored and does not disturb the others`()
    async throws
  {
    var samples = samples()
    samples[1].scene = nil
    let scores = try await ShapesReward().score(samples)
    #expect(scores.total == [1, nil])
    #expect(scores[part: "strict"] == [1, nil])
  }

  @Test func `an empty batch has empty scores`() async throws {
    let scores = try await ShapesReward().score([])
    #expect(scores.total.isEmpty)
    #expect(scores.parts.allSatisfy { $0.values.isEmpty })
  }

  @Test func `images of another size are refused with both sizes named`() async {
    let large = RewardSample(image: PixelBuffer(width: 512, height: 256), scene: prompt)
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
}
