import Foundations
import ImageFiles
import ShapeScenes
import Testing

@Suite struct SceneRendererTests {
  private let heldOut = ShapeGrammar.prompts().heldOut

  @Test func `every scene satisfies its prompt exactly`() {
    for seed: UInt64 in 0..<4 {
      var generator = SplitMix64(seed: seed)
      for prompt in heldOut {
        let scene = SceneRenderer.scene(for: prompt, using: &generator)
        #expect(isTrue(prompt, of: scene) == true, "\(prompt.prompt): \(scene.objects)")
      }
    }
  }

  @Test func `objects lie inside the image and apart from each other`() {
    var generator = SplitMix64(seed: 5)
    for prompt in heldOut {
      let boxes = SceneRenderer.scene(for: prompt, using: &generator).objects.map(\.box)
      for (index, box) in boxes.enumerated() {
        #expect(box.centerX - box.halfWidth > 0 && box.centerX + box.halfWidth < 32)
        #expect(box.centerY - box.halfHeight > 0 && box.centerY + box.halfHeight < 32)
        for other in boxes[..<index] {
          let gapX = abs(box.centerX - other.centerX) - box.halfWidth - other.halfWidth
          let gapY = abs(box.centerY - other.centerY) - box.halfHeight - other.halfHeight
          #expect(max(gapX, gapY) > 1.99)
        }
      }
    }
  }

  @Test func `a generator's seed fixes the image and another seed gives another`() {
    func image(_ seed: UInt64) -> PixelBuffer {
      var generator = SplitMix64(seed: seed)
      return SceneRenderer.render(heldOut[0], using: &generator)
    }
    #expect(image(1) == image(1))
    #expect(image(1) != image(2))
  }

  @Test func `a property that the prompt does not name takes all its values`() {
    let prompt = ScenePrompt(tag: .singleObject, include: [.init(.ring)], prompt: "a ring")
    var generator = SplitMix64(seed: 6)
    let objects = (0..<200).map { _ in
      SceneRenderer.scene(for: prompt, using: &generator).objects[0]
    }
    #expect(Set(objects.map(\.color)) == Set(SceneColor.allCases))
    let quarters = Set(objects.map { [$0.centerX > 16, $0.centerY > 16] })
    #expect(quarters.count == 4)
  }

  @Test func `a full-brightness square is its color inside and the background outside`() {
    let image = SceneRenderer.draw(
      Scene([SceneObject(.square, .yellow, x: 10, y: 12, radius: 5)]))
    #expect(image[10, 12] == (240, 215, 55))
    #expect(image[25, 25] == (14, 14, 18))
    // The left edge is at 10 - 0.9 * 5 = 5.5: half of pixel 5 is covered.
    #expect(image[5, 12] == (127, 115, 37))
  }

  @Test func `an object beyond the edge is cut off`() {
    let image = SceneRenderer.draw(
      Scene([
        SceneObject(.circle, .red, x: 0, y: 31, radius: 5),
        SceneObject(.circle, .red, x: -40, y: 90, radius: 5),
      ]))
    #expect(image[0, 31] == (235, 55, 50))
    #expect(image[31, 0] == (14, 14, 18))
  }
}
