import ImageFiles
import Rewards
import Testing

/// An object of 20 x 20 pixels around a point.
func object(
  _ label: String, at x: Float = 50, _ y: Float = 50, _ color: String? = nil,
  confidence: Double = 0.95
) -> DetectedObject {
  DetectedObject(
    label, confidence: confidence,
    box: BoundingBox(centerX: x, centerY: y, halfWidth: 10, halfHeight: 10), color: color)
}

/// A prompt of each tag with right detections, and with every kind of wrong ones.
@Suite struct GenEvalJudgeTests {
  private func expect(
    _ prompt: GenEvalPrompt, _ objects: [DetectedObject], official: Bool, strict: Bool,
    partial: Double, _ place: SourceLocation = #_sourceLocation
  ) {
    let score = GenEvalJudge(objects, prompt).score
    #expect(score.official == official, "official", sourceLocation: place)
    #expect(score.strict == strict, "strict", sourceLocation: place)
    #expect(abs(score.partial - partial) < 1e-12, "\(score.partial)", sourceLocation: place)
  }

  @Test func `single_object: one is right, none is wrong, two are right for the benchmark alone`() {
    let prompt = GenEvalPrompt(tag: "single_object", include: [.init("bowl")])
    expect(prompt, [object("bowl")], official: true, strict: true, partial: 1)
    expect(prompt, [], official: false, strict: false, partial: 0)
    expect(prompt, [object("cup")], official: false, strict: false, partial: 0)
    expect(prompt, [object("bowl"), object("cup")], official: true, strict: true, partial: 1)
    let two = [object("bowl"), object("bowl", at: 90)]
    expect(prompt, two, official: true, strict: false, partial: 0)
  }

  @Test func `single_object: an object counts above a confidence of 0.3, not at it`() {
    let prompt = GenEvalPrompt(tag: "single_object", include: [.init("bowl")])
    let at = [object("bowl", confidence: 0.3)]
    expect(prompt, at, official: false, strict: false, partial: 0)
    let above = [object("bowl", confidence: 0.31)]
    expect(prompt, above, official: true, strict: true, partial: 1)
  }

  @Test func `two_object: each class has its own half of the credit`() {
    let prompt = GenEvalPrompt(tag: "two_object", include: [.init("dog"), .init("bench")])
    expect(prompt, [object("dog"), object("bench")], official: true, strict: true, partial: 1)
    expect(prompt, [object("dog")], official: false, strict: false, partial: 0.5)
    expect(prompt, [object("bench")], official: false, strict: false, partial: 0.5)
    expect(prompt, [], official: false, strict: false, partial: 0)
    let dogs = [object("dog"), object("dog", at: 9), object("bench")]
    expect(prompt, dogs, official: true, strict: false, partial: 0.5)
  }

  @Test
  func `counting: too few and too many are wrong by every rule, with credit by their distance`() {
    let prompt = GenEvalPrompt(
      tag: "counting", include: [.init("clock", count: 4)], exclude: [.init("clock", count: 5)])
    func clocks(_ count: Int, confidence: Double = 0.95) -> [DetectedObject] {
      (0..<count).map { object("clock", at: Float(30 * $0), confidence: confidence) }
    }
    expect(prompt, clocks(4), official: true, strict: true, partial: 1)
    expect(prompt, clocks(3), official: false, strict: false, partial: 0.75)
    expect(prompt, clocks(5), official: false, strict: false, partial: 0.75)
    expect(prompt, clocks(0), official: false, strict: false, partial: 0)
    expect(prompt, clocks(8), official: false, strict: false, partial: 0)
    expect(prompt, clocks(12), official: false, strict: false, partial: 0)
    // Counting asks for a confidence above 0.9.
    expect(prompt, clocks(4, confidence: 0.9), official: false, strict: false, partial: 0)
    let doubtful = clocks(4) + [object("clock", at: 200, confidence: 0.8)]
    expect(prompt, doubtful, official: true, strict: true, partial: 1)
  }

  @Test func `counting: sixteen objects of a class are judged`() {
    let many = (0..<40).map { object("clock", at: Float($0)) }
    let sixteen = GenEvalPrompt(tag: "counting", include: [.init("clock", count: 16)])
    expect(sixteen, many, official: true, strict: true, partial: 1)
    let more = GenEvalPrompt(tag: "counting", include: [.init("clock", count: 20)])
    expect(more, many, official: false, strict: false, partial: 0.8)
  }

  @Test func `colors: the number and the color have half of the credit each`() {
    let prompt = GenEvalPrompt(tag: "colors", include: [.init("car", color: "red")])
    expect(prompt, [object("car", at: 9, 9, "red")], official: true, strict: true, partial: 1)
    expect(prompt, [object("car", at: 9, 9, "blue")], official: false, strict: false, partial: 0.5)
    expect(prompt, [object("bus", at: 9, 9, "red")], official: false, strict: false, partial: 0)
    // The benchmark asks the surest object alone; a second one is one too many for us.
    let sureRed = [
      object("car", at: 9, 9, "blue", confidence: 0.5), object("car", at: 80, 9, "red"),
    ]
    expect(prompt, sureRed, official: true, strict: false, partial: 0)
    let sureBlue = [
      object("car", at: 9, 9, "blue"), object("car", at: 80, 9, "red", confidence: 0.5),
    ]
    expect(prompt, sureBlue, official: false, strict: false, partial: 0)
  }

  @Test func `colors: of several objects each must have the color`() {
    let prompt = GenEvalPrompt(tag: "colors", include: [.init("car", count: 2, color: "red")])
    let mixed = [object("car", at: 9, 9, "red"), object("car", at: 80, 9, "blue")]
    expect(prompt, mixed, official: false, strict: false, partial: 0.75)
  }

  @Test func `color_attr: the colors belong to their objects`() {
    let prompt = GenEvalPrompt(
      tag: "color_attr", include: [.init("cat", color: "black"), .init("bed", color: "pink")])
    func objects(_ cat: String, _ bed: String) -> [DetectedObject] {
      [object("cat", at: 20, 50, cat), object("bed", at: 70, 50, bed)]
    }
    expect(prompt, objects("black", "pink"), official: true, strict: true, partial: 1)
    expect(prompt, objects("pink", "black"), official: false, strict: false, partial: 0.5)
    expect(prompt, objects("black", "red"), official: false, strict: false, partial: 0.75)
    let cat = [object("cat", at: 20, 50, "black")]
    expect(prompt, cat, official: false, strict: false, partial: 0.5)
    expect(prompt, [], official: false, strict: false, partial: 0)
  }

  @Test(arguments: [
    (SpatialRelation.leftOf, Float(-60), Float(0)), (.rightOf, 60, 0), (.above, 0, -60),
    (.below, 0, 60),
  ])
  func `position: each relation holds on its own side and on no other`(
    _ relation: SpatialRelation, _ dx: Float, _ dy: Float
  ) {
    let laptop = object("laptop", at: 100, 100)
    for asked in SpatialRelation.allCases {
      let prompt = GenEvalPrompt(
        tag: "position",
        include: [.init("laptop"), .init("cow", position: .init(asked, 0))])
      let isRight = asked == relation
      expect(
        prompt, [laptop, object("cow", at: 100 + dx, 100 + dy)], official: isRight,
        strict: isRight, partial: isRight ? 1 : 2.0 / 3)
    }
  }

  @Test func `position: too near, without a reference or of too many is wrong`() {
    let prompt = GenEvalPrompt(
      tag: "position", include: [.init("laptop"), .init("cow", position: .init(.rightOf, 0))])
    let laptop = object("laptop", at: 50, 50)
    // The boxes are 20 wide: a tenth of both is 4, and more than half of the offset must be left.
    let near = [laptop, object("cow", at: 57, 50)]
    expect(prompt, near, official: false, strict: false, partial: 2.0 / 3)
    let apart = [laptop, object("cow", at: 59, 50)]
    expect(prompt, apart, official: true, strict: true, partial: 1)
    expect(prompt, [laptop], official: false, strict: false, partial: 1.0 / 3)
    expect(prompt, [object("cow", at: 90, 50)], official: false, strict: false, partial: 1.0 / 3)
    let laptops = [
      laptop, object("laptop", at: 20, 50, confidence: 0.5), object("cow", at: 90, 50),
    ]
    expect(prompt, laptops, official: true, strict: false, partial: 1.0 / 3)
    expect(prompt, [], official: false, strict: false, partial: 0)
  }

  @Test func `position: diagonal neighbors hold both relations`() {
    for relation in [SpatialRelation.rightOf, .below] {
      let prompt = GenEvalPrompt(
        tag: "position", include: [.init("laptop"), .init("cow", position: .init(relation, 0))])
      let objects = [object("laptop", at: 50, 50), object("cow", at: 120, 120)]
      expect(prompt, objects, official: true, strict: true, partial: 1)
    }
  }

  @Test func `an excluded class makes the image wrong`() {
    let prompt = GenEvalPrompt(
      tag: "two_object", include: [.init("dog")], exclude: [.init("cat", count: 1)])
    expect(prompt, [object("dog")], official: true, strict: true, partial: 1)
    expect(prompt, [object("dog"), object("cat")], official: false, strict: false, partial: 0.5)
  }
}
