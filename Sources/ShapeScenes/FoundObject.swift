import Foundation
package import ImageFiles

/// An object that the verifier found in an image.
package struct FoundObject: Sendable {
  /// The class whose outline fits best.
  package var shape: SceneShape
  /// Squared difference between the object and the best drawing of each class, over the square of
  /// the drawing, in the order of `SceneShape.allCases`; 0 is a perfect fit.
  package var misfits: [Float]
  /// The color whose channels are on.
  package var color: SceneColor
  /// Mean color of the inner pixels over its largest channel, 0...1.
  package var tone: SIMD3<Float>
  /// Bounding box of the best drawing.
  package var box: BoundingBox
  /// Radius of the best drawing, in pixels.
  package var radius: Float
  /// Whether the class is clear: a good fit, far better than the second, of a plausible size.
  package var isShapeClear: Bool
  /// Whether the color is clear: bright, even, each channel clearly on or off.
  package var isColorClear: Bool

  /// The likeness to a shape, 0...1: the fit, times its lead over the other classes, times the
  /// plausibility of the size.
  package func likeness(to shape: SceneShape) -> Float {
    var total: Float = 0
    var own: Float = 0
    for (index, candidate) in SceneShape.allCases.enumerated() {
      let weight = exp(-misfits[index] / 0.03)
      total += weight
      if candidate == shape { own = weight * max(0, 1 - misfits[index] / 0.4) }
    }
    return total > 0 ? own / total * sizeLikeness : 0
  }

  /// 1 for the radii of clear shapes, falling to 0 over four pixels outside that range.
  private var sizeLikeness: Float {
    let clear = ShapeFitting.clearRadii
    let beyond = max(clear.lowerBound - radius, radius - clear.upperBound, 0)
    return max(0, 1 - beyond / 4)
  }

  /// The likeness of the object's tone to that of `color`, 0...1.
  package func likeness(to color: SceneColor) -> Float {
    let target = color.rgb / color.rgb.max()
    let difference = tone - target
    let distance = max(
      difference.x.magnitude, difference.y.magnitude, difference.z.magnitude)
    return min(max(1 - (distance - 0.15) / 0.5, 0), 1)
  }
}
