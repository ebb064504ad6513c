package import ImageFiles

/// One drawn object.
package struct SceneObject: Hashable, Sendable {
  package var shape: SceneShape
  package var color: SceneColor
  /// Middle of the bounding box, in pixels from the image's left edge.
  package var centerX: Float
  /// Middle of the bounding box, in pixels from the image's top edge.
  package var centerY: Float
  /// The radius that scales the shape, in pixels.
  package var radius: Float
  /// Factor on the color, 1 is full.
  package var brightness: Float

  package init(
    _ shape: SceneShape, _ color: SceneColor, x: Float, y: Float, radius: Float,
    brightness: Float = 1
  ) {
    self.shape = shape
    self.color = color
    centerX = x
    centerY = y
    self.radius = radius
    self.brightness = brightness
  }

  /// The object's bounding box.
  package var box: BoundingBox {
    BoundingBox(
      centerX: centerX, centerY: centerY,
      halfWidth: shape.halfWidth * radius, halfHeight: shape.halfHeight * radius)
  }
}

/// The content of an image: objects on a dark background.
package struct Scene: Hashable, Sendable {
  /// Later objects are drawn over earlier ones.
  package var objects: [SceneObject]
  /// Factor on the background color, 1 is as in ``SceneColor/background``.
  package var backgroundLevel: Float

  package init(_ objects: [SceneObject], backgroundLevel: Float = 1) {
    self.objects = objects
    self.backgroundLevel = backgroundLevel
  }
}
