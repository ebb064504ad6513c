package import ImageFiles

/// Draws scenes: the training images of the `shapes` task.
package enum SceneRenderer {
  /// Width and height of the images, in pixels.
  package static let size = 32

  /// An image that satisfies the prompt. Positions, sizes, brightness and colors that are not named
  /// are random.
  package static func render(
    _ prompt: ScenePrompt, using generator: inout some RandomNumberGenerator
  ) -> PixelBuffer {
    draw(scene(for: prompt, using: &generator))
  }

  /// The scene that ``render(_:using:)`` draws.
  package static func scene(
    for prompt: ScenePrompt, using generator: inout some RandomNumberGenerator
  ) -> Scene {
    SceneLayout.scene(for: prompt, using: &generator)
  }

  /// Draws the scene with edges softened over one pixel.
  package static func draw(_ scene: Scene) -> PixelBuffer {
    let background = SceneColor.background * scene.backgroundLevel
    var image = PixelBuffer(
      width: size, height: size,
      red: byte(background.x), green: byte(background.y), blue: byte(background.z))
    image.pixels.withUnsafeMutableBufferPointer { pixels in
      for object in scene.objects { paint(object, on: pixels) }
    }
    return image
  }

  private static func paint(
    _ object: SceneObject, on pixels: UnsafeMutableBufferPointer<UInt8>
  ) {
    let color = object.color.rgb * object.brightness
    let box = object.box
    for y in span(box.centerY, box.halfHeight) {
      for x in span(box.centerX, box.halfWidth) {
        let distance = object.shape.distance(
          x: Float(x) + 0.5 - box.centerX, y: Float(y) + 0.5 - box.centerY,
          radius: object.radius)
        let cover = min(max(0.5 - distance, 0), 1)
        if cover == 0 { continue }
        let offset = (y * size + x) * 3
        for channel in 0..<3 {
          let below = Float(pixels[offset + channel])
          pixels[offset + channel] = byte(below + cover * (color[channel] - below))
        }
      }
    }
  }

  /// The pixels that an object can touch along one axis.
  private static func span(_ center: Float, _ half: Float) -> Range<Int> {
    let lower = max(0, Int((center - half - 1).rounded(.down)))
    return lower..<max(lower, min(size, Int((center + half + 1).rounded(.up))))
  }

  private static func byte(_ value: Float) -> UInt8 {
    UInt8(min(max(value.rounded(), 0), 255))
  }
}
