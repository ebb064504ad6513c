import Foundations
import ImageFiles
import ShapeScenes
import Testing

/// Images that are nearly right, and their credit.
@Suite struct SceneVerifierConfusionTests {
  private let redCircle = ScenePrompt(
    tag: .colors, include: [.init(.circle, color: .red)], prompt: "a red circle")
  private let circle = ScenePrompt(
    tag: .singleObject, include: [.init(.circle)], prompt: "a circle")
  private let threeRings = ScenePrompt(
    tag: .counting, include: [.init(.ring, count: 3)], exclude: [.init(.ring, count: 4)],
    prompt: "three rings")
  private let redCircleBlueSquare = ScenePrompt(
    tag: .colorAttribution, include: [.init(.circle, color: .red), .init(.square, color: .blue)],
    prompt: "a red circle and a blue square")
  private let circleLeftOfSquare = ScenePrompt(
    tag: .position, include: [.init(.square), .init(.circle, position: .init(.leftOf, 0))],
    prompt: "a circle left of a square")

  private func score(_ objects: [SceneObject], _ prompt: ScenePrompt) -> SceneScore {
    SceneVerifier.score(SceneRenderer.draw(Scene(objects)), prompt)
  }

  private func rings(_ count: Int) -> [SceneObject] {
    let places: [(Float, Float)] = [(8, 8), (24, 8), (8, 24), (24, 24)]
    return places.prefix(count).map { SceneObject(.ring, .green, x: $0.0, y: $0.1, radius: 5) }
  }

  @Test func `a wrong count fails, with less credit the further it is off`() {
    #expect(score(rings(3), threeRings) == SceneScore(strict: true, partial: 1))
    let scores = [1, 2, 4].map { score(rings($0), threeRings) }
    #expect(scores.allSatisfy { !$0.strict })
    #expect(scores[0].partial < scores[1].partial)
    #expect(scores[1].partial < 0.6 && scores[2].partial < 0.65)
  }

  @Test func `one object too many fails under every tag`() {
    let extra = SceneObject(.cross, .green, x: 24, y: 24, radius: 5)
    let right = SceneObject(.circle, .red, x: 8, y: 8, radius: 5)
    #expect(score([right], redCircle).strict)
    let more = score([right, extra], redCircle)
    #expect(!more.strict && more.partial < 0.5)
    #expect(!score([right, extra], circle).strict)
  }

  @Test func `a wrong color fails, with credit for the shape`() {
    let score = score([SceneObject(.circle, .blue, x: 16, y: 16, radius: 6)], redCircle)
    #expect(!score.strict)
    #expect(score.partial > 0.3 && score.partial < 0.5)
  }

  @Test func `a wrong shape fails, with credit for the color`() {
    for shape in SceneShape.allCases where shape != .circle {
      let score = score([SceneObject(shape, .red, x: 16, y: 16, radius: 6)], redCircle)
      #expect(!score.strict)
      #expect(score.partial > 0.25 && score.partial < 0.5, "\(shape)")
    }
  }

  @Test func `swapped attributes fail`() {
    let right = [
      SceneObject(.circle, .red, x: 8, y: 10, radius: 5),
      SceneObject(.square, .blue, x: 24, y: 20, radius: 5),
    ]
    var swapped = right
    swapped[0].color = .blue
    swapped[1].color = .red
    #expect(score(right, redCircleBlueSquare).strict)
    let score = score(swapped, redCircleBlueSquare)
    #expect(!score.strict && score.partial < 0.5)
  }

  @Test func `swapped positions fail, with less credit than no relation`() {
    func pair(_ circleX: Float, _ squareX: Float, _ squareY: Float) -> SceneScore {
      score(
        [
          SceneObject(.circle, .red, x: circleX, y: 16, radius: 5),
          SceneObject(.square, .blue, x: squareX, y: squareY, radius: 5),
        ], circleLeftOfSquare)
    }
    let right = pair(8, 24, 16)
    let level = pair(16, 16, 5)
    let swapped = pair(24, 8, 16)
    #expect(right.strict && !level.strict && !swapped.strict)
    #expect(level.partial < right.partial && swapped.partial < level.partial)
  }

  @Test func `objects of different color are separate where they touch`() {
    let touching = [
      SceneObject(.circle, .red, x: 10, y: 16, radius: 5.5),
      SceneObject(.square, .blue, x: 20.4, y: 16, radius: 5.5),
    ]
    #expect(score(touching, redCircleBlueSquare).strict)
  }

  @Test func `objects of one color that touch are one unclear object`() {
    let image = SceneRenderer.draw(
      Scene([
        SceneObject(.circle, .red, x: 10, y: 16, radius: 5.2),
        SceneObject(.circle, .red, x: 20, y: 16, radius: 5.2),
      ]))
    let found = SceneVerifier.findings(in: image).objects
    #expect(found.count == 1 && !found[0].isShapeClear)
    #expect(!SceneVerifier.score(image, redCircle).strict)
  }

  @Test func `an object half covered by another is not clear`() {
    let covered = [
      SceneObject(.circle, .red, x: 13, y: 16, radius: 6),
      SceneObject(.square, .blue, x: 19, y: 16, radius: 6),
    ]
    #expect(!score(covered, redCircleBlueSquare).strict)
  }

  @Test func `a stray blob fails and a speck of a few pixels does not`() {
    func withBlob(_ side: Int) -> SceneScore {
      var image = SceneRenderer.draw(
        Scene([SceneObject(.circle, .red, x: 10, y: 10, radius: 6)]))
      for y in 0..<side {
        for x in 0..<side { image[24 + x, 24 + y] = (235, 235, 60) }
      }
      return SceneVerifier.score(image, redCircle)
    }
    #expect(withBlob(2).strict)
    #expect(!withBlob(3).strict)
    #expect(!withBlob(4).strict)
    #expect(!withBlob(6).strict)
    #expect(withBlob(6).partial < withBlob(3).partial)
  }

  @Test func `a faint veil over the background fails`() {
    var image = SceneRenderer.draw(Scene([SceneObject(.circle, .red, x: 10, y: 10, radius: 6)]))
    for y in 20..<30 {
      for x in 20..<30 { image[x, y] = (90, 20, 20) }
    }
    #expect(!SceneVerifier.score(image, redCircle).strict)
  }

  @Test func `an object of two colors is two unclear objects`() {
    var image = SceneRenderer.draw(Scene([SceneObject(.circle, .red, x: 16, y: 16, radius: 6.5)]))
    for y in 0..<32 {
      for x in 16..<32 where image[x, y].red > 100 { image[x, y] = (65, 95, 245) }
    }
    let found = SceneVerifier.findings(in: image).objects
    #expect(found.count == 2 && found.allSatisfy { !$0.isShapeClear })
    #expect(!SceneVerifier.score(image, circle).strict)
  }

  @Test func `a color between two named ones is not clear`() {
    var image = SceneRenderer.draw(Scene([SceneObject(.circle, .red, x: 16, y: 16, radius: 6)]))
    for y in 0..<32 {
      for x in 0..<32 where image[x, y].red > 60 {
        image[x, y].green = UInt8(Float(image[x, y].red) * 0.64)
      }
    }
    let found = SceneVerifier.findings(in: image).objects
    #expect(found.count == 1 && !found[0].isColorClear)
    #expect(!SceneVerifier.score(image, redCircle).strict)
    #expect(!SceneVerifier.score(image, circle).strict)
  }

  @Test func `growing blur costs strictness and then credit`() {
    let image = SceneRenderer.draw(Scene([SceneObject(.ring, .red, x: 16, y: 16, radius: 5.5)]))
    let ring = ScenePrompt(tag: .singleObject, include: [.init(.ring)], prompt: "a ring")
    let scores = [0.5, 0.8, 1.4, 2.0].map { SceneVerifier.score(image.blurred($0), ring) }
    #expect(scores.map(\.strict) == [true, true, false, false])
    #expect(scores[2].partial > scores[3].partial)
    #expect(scores[3].partial < 0.4)
  }

  @Test func `empty, full and patterned images satisfy no prompt`() {
    var generator = SplitMix64(seed: 4)
    let black = PixelBuffer(width: 32, height: 32)
    var stripes = black
    var checks = black
    var ramp = black
    for y in 0..<32 {
      for x in 0..<32 {
        stripes[x, y] = x / 4 % 2 == 0 ? (235, 55, 50) : (14, 14, 18)
        checks[x, y] = (x / 8 + y / 8) % 2 == 0 ? (65, 95, 245) : (14, 14, 18)
        ramp[x, y] = (UInt8(x * 8), UInt8(y * 8), 100)
      }
    }
    let gray = PixelBuffer(width: 32, height: 32, red: 128, green: 128, blue: 128)
    let images = [
      black, PixelBuffer(width: 32, height: 32, red: 255, green: 255, blue: 255), gray,
      PixelBuffer(width: 32, height: 32, red: 235, green: 55, blue: 50), stripes, checks, ramp,
      gray.noisy(60, using: &generator), gray.noisy(200, using: &generator),
      black.noisy(80, using: &generator),
    ]
    let prompts = ShapeGrammar.prompts().heldOut
    for (index, image) in images.enumerated() {
      let findings = SceneVerifier.findings(in: image)
      for prompt in prompts {
        let score = SceneJudge.score(findings, prompt)
        #expect(!score.strict)
        #expect(score.partial < 0.4, "image \(index), \(prompt.prompt)")
      }
    }
    #expect(SceneVerifier.score(black, circle).partial == 0)
  }

  @Test func `an image full of everything satisfies no prompt and has little credit`() {
    let everything = SceneRenderer.draw(
      Scene(
        SceneShape.allCases.enumerated().map { index, shape in
          SceneObject(
            shape, SceneColor.allCases[index], x: [6, 16, 26, 6, 26][index],
            y: [6, 16, 6, 26, 26][index], radius: 4.6)
        }))
    #expect(SceneVerifier.findings(in: everything).objects.count == 5)
    for prompt in ShapeGrammar.prompts().heldOut {
      let score = SceneVerifier.score(everything, prompt)
      #expect(!score.strict && score.partial < 0.45, "\(prompt.prompt)")
    }
  }
}
