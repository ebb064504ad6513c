package import ImageFiles

/// Judges an image of the `shapes` task against a prompt by classical vision.
///
/// It finds bright regions of one color, fits the five shapes to each, and passes the objects to
/// ``SceneJudge``. An object whose shape or color is not clear has partial credit at most, since a
/// policy is trained against this judgment.
package enum SceneVerifier {
  /// The verifier's findings in an image.
  package struct Findings: Sendable {
    /// All regions that are large enough to be objects, the largest first.
    package var objects: [FoundObject]
    /// Bright pixels that belong to no object.
    package var clutter: Int
  }

  /// The score of an image for a prompt; made for 32 x 32 pixels, objects 9 to 14 pixels wide.
  package static func score(
    _ image: PixelBuffer, _ prompt: ScenePrompt, surplus: SceneJudge.Surplus = .penalized
  ) -> SceneScore {
    SceneJudge.score(findings(in: image), prompt, surplus: surplus)
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
