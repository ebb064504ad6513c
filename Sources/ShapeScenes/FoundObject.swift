import Foundation

/// An object that the verifier found in an image.
package struct FoundObject: Sendable {
  /// The class whose outline fits best.
  package var shape: SceneShape
  /// Squared difference between the object and the best drawing of each class, over the drawing's
  /// own square, in the order of `SceneShape.allCases`; 0 is a perfect fit.
  package var misfits: [Float]
  /// The color whose channels are on.
  package var color: SceneColor
  /// Mean color of the inner pixels over its largest channel, 0...1.
  package var tone: SIMD3<Float>
  /// Bounding box of the best drawing.
  package var box: SceneBox
  /// Radius of the best drawing, in pixels.
  package var radius: Float
  /// The class is beyond doubt: a good fit, far better than the second, of a plausible size.
  package var isShapeClear: Bool
  /// The color is beyond doubt: bright, even, each channel clearly on or off.
  package var isColorClear: Bool

  /// How much of the object is a `shape`, 0...1: the fit times its lead over the other classes,
  /// times how plausible its size is.
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

  /// 1 for the radii of clear shapes, falling to 0 within four pixels beyond.
  private var sizeLikeness: Float {
    let clear = ShapeFitting.clearRadii
    let beyond = max(clear.lowerBound - radius, radius - clear.upperBound, 0)
    return max(0, 1 - beyond / 4)
  }

  /// How close the object's tone is to that of `color`, 0...1.
  package func likeness(to color: SceneColor) -> Float {
    let target = color.rgb / color.rgb.max()
    let difference = tone - target
    let distance = max(
      difference.x.magnitude, difference.y.magnitude, difference.z.magnitude)
    return min(max(1 - (distance - 0.15) / 0.5, 0), 1)
  }
}
