import ImageFiles

/// Measures one region: its color, its position, and the fit of each shape.
struct ShapeFitting {
  /// The best fit of a clear shape is at most this share of the second.
  static let clearLead: Float = 0.6
  /// Radii of clear shapes, in pixels.
  static let clearRadii: ClosedRange<Float> = 3.8...8.2
  /// Inner pixels of a clear color reach this level.
  static let clearLevel: Float = 140
  /// The smallest distance of a clear color's channels from the threshold between on and off.
  static let clearTone: Float = 0.09
  /// The smallest share of inner pixels that have a clear color.
  static let clearShare: Float = 0.75

  let image: UnsafePointer<UInt8>
  let segmentation: SceneSegmentation
  let workspace: SceneWorkspace
  /// Level of the background, 0...255.
  let ground: Float

  /// Inclusive range of pixels.
  private struct Window {
    var left: Int
    var right: Int
    var top: Int
    var bottom: Int
  }

  /// Sums over the covered pixels.
  private struct Moments {
    var cover: Float = 0
    var x: Float = 0
    var y: Float = 0
  }

  /// The object of `region`.
  func object(_ region: Int) -> FoundObject {
    let window = window(of: region)
    let (mean, share, channels) = innerColor(region, window)
    let level = mean.max()
    let moments = fillCover(region, window, level: level)
    defer { clearCover(window) }

    var misfits: [Float] = []
    misfits.reserveCapacity(SceneShape.allCases.count)
    var best = 0
    var second = Float.infinity
    for (index, shape) in SceneShape.allCases.enumerated() {
      let misfit = misfit(shape, moments, window)
      misfits.append(misfit)
      if index == 0 { continue }
      if misfit < misfits[best] {
        second = misfits[best]
        best = index
      } else {
        second = min(second, misfit)
      }
    }
    let shape = SceneShape.allCases[best]
    let radius = (moments.cover / shape.area).squareRoot()
    let tone = mean / max(level, 1)
    let border = Float(SceneSegmentation.onShare) / 256
    let doubt = min(
      (tone.x - border).magnitude, (tone.y - border).magnitude,
      (tone.z - border).magnitude)
    return FoundObject(
      shape: shape, misfits: misfits, color: SceneColor.byChannels[channels], tone: tone,
      box: BoundingBox(
        centerX: moments.x / moments.cover,
        centerY: moments.y / moments.cover - shape.centroidDrop * radius,
        halfWidth: shape.halfWidth * radius, halfHeight: shape.halfHeight * radius),
      radius: radius,
      isShapeClear: misfits[best] <= shape.clearMisfit
        && misfits[best] <= Self.clearLead * second && Self.clearRadii.contains(radius),
      isColorClear: level >= Self.clearLevel && doubt >= Self.clearTone
        && share >= Self.clearShare)
  }

  /// The region's bounding box and two pixels around it.
  private func window(of region: Int) -> Window {
    let width = segmentation.width
    let height = segmentation.height
    var window = Window(left: width, right: 0, top: height, bottom: 0)
    for index in Int(workspace.start[region])..<Int(workspace.start[region + 1]) {
      let pixel = Int(workspace.queue[index])
      window.left = min(window.left, pixel % width)
      window.right = max(window.right, pixel % width)
      window.top = min(window.top, pixel / width)
      window.bottom = max(window.bottom, pixel / width)
    }
    return Window(
      left: max(0, window.left - 2), right: min(width - 1, window.right + 2),
      top: max(0, window.top - 2), bottom: min(height - 1, window.bottom + 2))
  }

  /// Mean color of the pixels whose neighbors all belong to the region (of all its pixels when
  /// there is none), the share of them with the most common color, and the channels of that color.
  private func innerColor(
    _ region: Int, _ window: Window
  ) -> (mean: SIMD3<Float>, share: Float, channels: Int) {
    for innerOnly in [true, false] {
      var sum = SIMD3<Float>()
      var count: Float = 0
      var tally = SIMD8<Float>()
      for y in window.top...window.bottom {
        for x in window.left...window.right {
          let pixel = y * segmentation.width + x
          guard workspace.region[pixel] == Int16(region) else { continue }
          var inner = true
          segmentation.forEachNeighbor(pixel) {
            if workspace.region[$0] != Int16(region) { inner = false }
          }
          if innerOnly && !inner { continue }
          sum += SIMD3(
            Float(image[pixel * 3]), Float(image[pixel * 3 + 1]), Float(image[pixel * 3 + 2]))
          tally[Int(workspace.channels[pixel])] += 1
          count += 1
        }
      }
      if count >= 4 || !innerOnly {
        var common = 1
        for channels in 2..<8 where tally[channels] > tally[common] { common = channels }
        return (sum / max(count, 1), tally[common] / max(count, 1), common)
      }
    }
    preconditionFailure("the second pass always returns")
  }

  /// Fills `workspace.cover` inside the window and sums it.
  private func fillCover(_ region: Int, _ window: Window, level: Float) -> Moments {
    let width = segmentation.width
    let span = max(level - ground, 1)
    var moments = Moments()
    for y in window.top...window.bottom {
      for x in window.left...window.right {
        let pixel = y * width + x
        let owner = Int(workspace.region[pixel])
        guard owner == region || (owner < 0 && touches(region, x, y)) else { continue }
        let cover = min(max((Float(workspace.level[pixel]) - ground) / span, 0), 1)
        if cover < 0.08 { continue }
        workspace.cover[pixel] = cover
        moments.cover += cover
        moments.x += cover * (Float(x) + 0.5)
        moments.y += cover * (Float(y) + 0.5)
      }
    }
    return moments
  }

  private func clearCover(_ window: Window) {
    for y in window.top...window.bottom {
      for x in window.left...window.right { workspace.cover[y * segmentation.width + x] = 0 }
    }
  }

  /// Whether one of the eight adjacent pixels belongs to the region.
  private func touches(_ region: Int, _ x: Int, _ y: Int) -> Bool {
    for row in max(0, y - 1)...min(segmentation.height - 1, y + 1) {
      for column in max(0, x - 1)...min(segmentation.width - 1, x + 1)
      where workspace.region[row * segmentation.width + column] == Int16(region) {
        return true
      }
    }
    return false
  }

  /// Squared difference between the covered pixels and a drawing of the shape with the same area
  /// and centroid, over the square of the drawing.
  private func misfit(_ shape: SceneShape, _ moments: Moments, _ window: Window) -> Float {
    let radius = (moments.cover / shape.area).squareRoot()
    let centerX = moments.x / moments.cover
    let centerY = moments.y / moments.cover - shape.centroidDrop * radius
    switch shape {
    case .circle: return misfit(.circle, centerX, centerY, radius, window)
    case .square: return misfit(.square, centerX, centerY, radius, window)
    case .triangle: return misfit(.triangle, centerX, centerY, radius, window)
    case .cross: return misfit(.cross, centerX, centerY, radius, window)
    case .ring: return misfit(.ring, centerX, centerY, radius, window)
    }
  }

  @inline(__always)
  private func misfit(
    _ shape: SceneShape, _ centerX: Float, _ centerY: Float, _ radius: Float, _ window: Window
  ) -> Float {
    var difference: Float = 0
    var square: Float = 0
    for y in window.top...window.bottom {
      let row = y * segmentation.width
      for x in window.left...window.right {
        let distance = shape.distance(
          x: Float(x) + 0.5 - centerX, y: Float(y) + 0.5 - centerY, radius: radius)
        let drawn = min(max(0.5 - distance * 0.8, 0), 1)
        let error = drawn - workspace.cover[row + x]
        difference += error * error
        square += drawn * drawn
      }
    }
    return difference / max(square, 1)
  }
}
