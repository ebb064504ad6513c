import ImageFiles
import ShapeScenes
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Outlines that differ from the five shapes.
@Suite struct SceneVerifierOutlineTests {
  /// The clear shape found in a white drawing of the points that `inside` (around the image's
  /// middle, in pixels) accepts; nil when nothing clear is found.
  private func clearShape(_ inside: (_ x: Float, _ y: Float) -> Bool) -> SceneShape? {
    var image = PixelBuffer(width: 32, height: 32, red: 14, green: 14, blue: 18)
    for y in 0..<32 {
      for x in 0..<32 {
        var covered = 0
        for step in 0..<16 {
          let column = Float(x) + (Float(step % 4) + 0.5) / 4 - 16
          let row = Float(y) + (Float(step / 4) + 0.5) / 4 - 16
          if inside(column, row) { covered += 1 }
        }
        let level = UInt8(14 + covered * 14)
        image[x, y] = (level, level, level)
      }
    }
    let found = SceneVerifier.findings(in: image).objects
    return found.count == 1 && found[0].isShapeClear ? found[0].shape : nil
  }

  private func turned(
    _ degrees: Float, _ inside: @escaping (Float, Float) -> Bool
  ) -> (Float, Float) -> Bool {
    let cosine = cosf(degrees * .pi / 180)
    let sine = sinf(degrees * .pi / 180)
    return { x, y in inside(cosine * x - sine * y, sine * x + cosine * y) }
  }

  private func square(_ half: Float) -> (Float, Float) -> Bool {
    { x, y in max(abs(x), abs(y)) < half }
  }

  @Test func `true outlines are clear`() {
    #expect(clearShape { x, y in hypotf(x, y) < 5.5 } == .circle)
    #expect(clearShape(square(5)) == .square)
    #expect(clearShape { x, y in hypotf(x, y) < 6 && hypotf(x, y) > 3 } == .ring)
    #expect(clearShape { x, y in y > -5 && y < 5 && abs(x) < (y + 5) * 0.577 } == .triangle)
    #expect(
      clearShape { x, y in max(abs(x), abs(y)) < 6 && min(abs(x), abs(y)) < 2.1 } == .cross)
  }

  @Test func `stretched outlines are not clear`() {
    #expect(clearShape { x, y in hypotf(x / 1.25, y * 1.25) < 5.5 } == nil)
    #expect(clearShape { x, y in abs(x) < 6.2 && abs(y) < 4 } == nil)
    #expect(clearShape { x, y in y > -7 && y < 7 && abs(x) < (y + 7) * 0.35 } == nil)
    #expect(clearShape { x, y in abs(x) < 7 && abs(y) < 2.5 } == nil)
  }

  @Test func `rotated squares and triangles are not clear`() {
    for degrees: Float in [15, 30, 45] { #expect(clearShape(turned(degrees, square(5))) == nil) }
    #expect(clearShape { x, y in y > -5 && y < 5 && abs(x) < (5 - y) * 0.577 } == nil)
  }

  @Test func `an outline between circle and square is neither`() {
    for power: Float in [3.5, 4] {
      #expect(
        clearShape { x, y in powf(abs(x), power) + powf(abs(y), power) < powf(5.5, power) }
          == nil)
    }
  }

  @Test func `a disc with a small hole is neither circle nor ring`() {
    for hole: Float in [1.5, 2] {
      #expect(clearShape { x, y in hypotf(x, y) < 6 && hypotf(x, y) > hole } == nil)
    }
  }

  @Test func `a cross with thick or thin bars is no shape`() {
    for bar: Float in [1.2, 3] {
      #expect(
        clearShape { x, y in max(abs(x), abs(y)) < 5.5 && min(abs(x), abs(y)) < bar } == nil)
    }
  }

  @Test func `broken and cut shapes and letters are no shapes`() {
    let ring = { (x: Float, y: Float) in hypotf(x, y) < 6 && hypotf(x, y) > 3 }
    #expect(clearShape { x, y in ring(x, y) && !(y < 0 && abs(x) < 1.5) } == nil)
    #expect(clearShape { x, y in ring(x, y) && !(x > 0 && abs(y) < 3) } == nil)
    #expect(clearShape { x, y in hypotf(x, y) < 6 && y < 0 } == nil)
    #expect(clearShape { x, y in square(5)(x, y) && x + y < 5 } == nil)
    #expect(clearShape { x, y in square(5)(x, y) && !square(2.5)(x, y) } == nil)
    #expect(clearShape { x, y in square(5)(x, y) && (x < -1.5 || y > 1.5) } == nil)
    #expect(clearShape { x, y in square(5)(x, y) && (abs(x) > 2 || abs(y) < 1.5) } == nil)
  }

  @Test func `a shape far too small or too large is not clear`() {
    #expect(clearShape { x, y in hypotf(x, y) < 3.2 } == nil)
    #expect(clearShape { x, y in hypotf(x, y) < 10 } == nil)
  }
}
