import ImageFiles
import Testing

@Suite struct SpatialRelationTests {
  private func box(_ x: Float, _ y: Float, half: Float = 5) -> BoundingBox {
    BoundingBox(centerX: x, centerY: y, halfWidth: half, halfHeight: half)
  }

  private func relations(_ subject: BoundingBox, to reference: BoundingBox) -> Set<SpatialRelation>
  {
    Set(
      SpatialRelation.allCases.filter {
        $0.strength(subject: subject, reference: reference) > SpatialRelation.threshold
      })
  }

  @Test func `neighbors along an axis have one relation`() {
    #expect(relations(box(6, 16), to: box(26, 16)) == [.leftOf])
    #expect(relations(box(26, 16), to: box(6, 16)) == [.rightOf])
    #expect(relations(box(16, 6), to: box(16, 26)) == [.above])
    #expect(relations(box(16, 26), to: box(16, 6)) == [.below])
  }

  @Test func `diagonal neighbors have two`() {
    #expect(relations(box(6, 6), to: box(26, 26)) == [.leftOf, .above])
  }

  @Test func `a small offset against the size of the boxes is no relation`() {
    #expect(relations(box(16, 16), to: box(16, 16)).isEmpty)
    #expect(relations(box(15, 16), to: box(16.8, 16)).isEmpty)
  }

  @Test func `the slack is a tenth of both widths`() {
    // (|dx| - 0.1 * (10 + 10)) / |d| with dx = 8, dy = 6: 6 / 10 and 4 / 10.
    #expect(relations(box(18, 16), to: box(10, 10)) == [.rightOf])
    let strength = SpatialRelation.rightOf.strength(subject: box(18, 16), reference: box(10, 10))
    #expect(abs(strength - 0.6) < 1e-6)
  }

  @Test func `swapping the objects gives the opposite relation`() {
    let first = box(9, 12)
    let second = box(22, 17)
    for (relation, opposite) in [
      (SpatialRelation.leftOf, SpatialRelation.rightOf), (.above, .below),
    ] {
      let strength = relation.strength(subject: first, reference: second)
      #expect(strength == opposite.strength(subject: second, reference: first))
      #expect(strength > 0)
    }
  }
}
