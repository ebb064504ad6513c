package import ImageFiles

/// Looks at an image of the `shapes` task by classical vision and judges it against a prompt.
///
/// It finds bright regions of one color, fits the five shapes to each, and hands what it found to
/// ``SceneJudge``. It is the reward of training runs, so doubt never counts in the image's favour:
/// what is not clearly a shape of a color can earn partial credit but is never exact.
package enum SceneVerifier {
  /// What the verifier sees in an image.
  package struct Findings: Sendable {
    /// Everything large enough to be an object, the largest first.
    package var objects: [FoundObject]
    /// Bright pixels that belong to no object.
    package var clutter: Int
  }

  /// Judges the image (made for 32 x 32 pixels, objects 9 to 14 pixels wide) against the prompt.
  package static func score(_ image: PixelBuffer, _ prompt: ScenePrompt) -> SceneScore {
    SceneJudge.score(findings(in: image), prompt)
  }

  /// The objects and the clutter in the image.
  package static func findings(in image: PixelBuffer) -> Findings {
    let workspace = SceneWorkspace(count: image.width * image.height)
    defer { workspace.deallocate() }
    let segmentation = SceneSegmentation(image, workspace)
    let ground = ground(segmentation, workspace)
    let objects = image.pixels.withUnsafeBufferPointer { pixels in
      // A buffer of at least one pixel has an address.
      let fitting = ShapeFitting(
        image: pixels.baseAddress!, segmentation: segmentation, workspace: workspace,
        ground: ground)
      return (0..<segmentation.regionCount)
        .filter(segmentation.isObject)
        .sorted { segmentation.area($0) > segmentation.area($1) }
        .map(fitting.object)
    }
    return Findings(objects: objects, clutter: segmentation.clutter)
  }

  /// Mean level of the background below ``SceneSegmentation/faint``.
  private static func ground(
    _ segmentation: SceneSegmentation, _ workspace: SceneWorkspace
  ) -> Float {
    var sum = 0
    var count = 0
    for pixel in 0..<(segmentation.width * segmentation.height)
    where workspace.level[pixel] < SceneSegmentation.faint {
      sum += Int(workspace.level[pixel])
      count += 1
    }
    return count == 0 ? 0 : Float(sum) / Float(count)
  }
}
