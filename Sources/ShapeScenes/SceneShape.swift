/// The classes of the `shapes` task.
///
/// A shape of radius `r` is defined around the center of its bounding box, x to the right and y
/// down, in pixels. Area, corners and holes distinguish the five at a width of 9 pixels.
package enum SceneShape: String, CaseIterable, Codable, Hashable, Sendable {
  case circle, square, triangle, cross, ring

  /// The plural.
  package var plural: String { self == .cross ? "crosses" : rawValue + "s" }

  /// Half the width of the bounding box, in radii.
  package var halfWidth: Float {
    switch self {
    case .circle, .cross, .ring: 1
    case .square: 0.9
    case .triangle: 1.08
    }
  }

  /// Half the height of the bounding box, in radii.
  package var halfHeight: Float {
    switch self {
    case .circle, .cross, .ring: 1
    case .square: 0.9
    case .triangle: 0.935
    }
  }

  /// The covered area, in squared radii.
  var area: Float {
    switch self {
    case .circle: .pi
    case .square: 3.24
    case .triangle: 2.0196
    case .cross: 2.3616
    case .ring: .pi * (1 - Self.hole * Self.hole)
    }
  }

  /// The distance of the centroid below the center of the bounding box, in radii.
  var centroidDrop: Float { self == .triangle ? halfHeight / 3 : 0 }

  /// The misfit (``FoundObject/misfits``) up to which an object is clearly this shape.
  ///
  /// A blur of 0.7 pixels with noise of 10 levels stays well below. The circle has the lowest
  /// limit, since a round blob fits a circle better than the other shapes.
  var clearMisfit: Float {
    switch self {
    case .circle: 0.06
    case .square: 0.08
    case .triangle, .cross: 0.1
    case .ring: 0.13
    }
  }

  /// Radius of a ring's hole, in radii.
  private static let hole: Float = 0.5
  /// Half the thickness of a cross's bars, in radii.
  private static let bar: Float = 0.36

  /// Signed distance in pixels from the point to the outline of the shape with this radius,
  /// negative inside; exact along straight edges, a lower bound near corners.
  @inline(__always)
  func distance(x: Float, y: Float, radius: Float) -> Float {
    let side = x.magnitude
    switch self {
    case .circle:
      return (x * x + y * y).squareRoot() - radius
    case .square:
      return max(side, y.magnitude) - 0.9 * radius
    case .triangle:
      let base = 1.08 * radius
      let half = 0.935 * radius
      let length = (base * base + 4 * half * half).squareRoot()
      return max(y - half, (2 * half * side - base * (y + half)) / length)
    case .cross:
      let thin = Self.bar * radius
      let rise = y.magnitude
      return min(max(side - radius, rise - thin), max(side - thin, rise - radius))
    case .ring:
      let distance = (x * x + y * y).squareRoot()
      return max(distance - radius, Self.hole * radius - distance)
    }
  }
}
