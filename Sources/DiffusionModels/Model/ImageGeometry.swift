
/// Height and width of an image, in pixels.
public struct ImageSize: Equatable, Sendable {
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// Height and width, such as `512x768`.
  public var text: String { "\(height)x\(width)" }

  /// Parses the text; nil if it is malformed.
  public init?(text: String) {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count == 2, let height = sides[0], let width = sides[1], height > 0, width > 0
    else { return nil }
    self.init(height: height, width: width)
  }
}

/// The sizes of images that a model is made for.
public struct ImageSizes: Equatable, Sendable {
  /// The granularity of height and width, in pixels.
  public var unit: Int
  /// The model's own size.
  public var usual: ImageSize

  /// - Parameter usualSide: of a square.
  public init(unit: Int, usualSide: Int) {
    self.unit = unit
    usual = ImageSize(height: usualSide, width: usualSide)
  }

  /// A size with both sides floored to the granularity; nil if one of them is shorter.
  public func floored(_ size: ImageSize) -> ImageSize? {
    guard size.height >= unit, size.width >= unit else { return nil }
    return ImageSize(height: size.height / unit * unit, width: size.width / unit * unit)
  }
}

/// The sizes of one image of a pipeline: pixels, latents and tokens.
public struct ImageGeometry: Equatable, Sendable {
  public let image: ImageSize
  /// Rows of the latents.
  public let latentHeight: Int
  /// Columns of the latents.
  public let latentWidth: Int
  /// Patches of the latents.
  public let imageTokens: Int

  /// Computes the sizes.
  ///
  /// - Parameters:
  ///   - image: nil means a square of `defaultSide`.
  ///   - defaultSide: in latent pixels.
  ///   - factor: image pixels per latent pixel.
  ///   - patch: side of a patch in latent pixels.
  ///   - limit: the largest side in patches and the name of its setting; nil for no limit.
  ///   - path: the model, for errors.
  /// - Throws: `PipelineError.imageSize` if a side is not a whole number of patches or exceeds the
  ///   limit, or if there are more than 65,536 patches.
  public init(
    _ image: ImageSize?, defaultSide: Int, factor: Int, patch: Int,
    limit: (patches: Int, setting: String)? = nil, path: String
  ) throws(PipelineError) {
    let image = image ?? ImageSize(height: defaultSide * factor, width: defaultSide * factor)
    let unit = factor * patch
    for (name, side) in [("height", image.height), ("width", image.width)] {
      guard side >= unit, side % unit == 0 else {
        let below = max(side / unit, 1) * unit
        throw .imageSize(
          path: path,
          reason: "the \(name) \(side) is not a multiple of \(unit) pixels; "
            + (side < below ? "\(below) is" : "\(below) and \(below + unit) are"))
      }
      if let limit, side > limit.patches * unit {
        throw .imageSize(
          path: path,
          reason: "the \(name) \(side) exceeds the \(limit.patches * unit) pixels that the "
            + "transformer has positions for (\(limit.setting) \(limit.patches))")
      }
    }
    let (rows, columns) = (image.height / unit, image.width / unit)
    guard rows <= Self.mostTokens / columns else {
      throw .imageSize(
        path: path,
        reason: "an image of \(image.height) x \(image.width) pixels has more than "
          + "\(Self.mostTokens) patches of \(unit) pixels; \(256 * unit) x \(256 * unit) is the "
          + "largest square")
    }
    self.image = image
    latentHeight = image.height / factor
    latentWidth = image.width / factor
    imageTokens = rows * columns
  }

  /// The most patches of an image. A dynamic shift grows with the exponential of their number, and
  /// beyond it neighboring sigmas would be equal.
  static let mostTokens = 65_536
}
