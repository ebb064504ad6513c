/// A bounding box in pixels: x to the right, y down, the origin at the image's top left corner.
package struct BoundingBox: Hashable, Sendable {
  package var centerX: Float
  package var centerY: Float
  package var halfWidth: Float
  package var halfHeight: Float

  package init(centerX: Float, centerY: Float, halfWidth: Float, halfHeight: Float) {
    self.centerX = centerX
    self.centerY = centerY
    self.halfWidth = halfWidth
    self.halfHeight = halfHeight
  }
}
