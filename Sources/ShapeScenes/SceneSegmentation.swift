import ImageFiles

/// Divides an image into regions of one color.
///
/// A pixel is foreground when its largest channel is bright. Its color is the set of channels near
/// that largest one. Pixels of one color that share an edge form a region. Specks of other color at
/// a region's rim or inside it (blended edges, noise) join the region with which they share most
/// edges, so objects of different color stay separate even where they touch.
struct SceneSegmentation {
  /// Foreground begins at this level; about half of a color's full level.
  static let foreground: UInt8 = 100
  /// A channel is on above this share of the largest, in 256ths.
  static let onShare = 165
  /// Regions below this area in pixels are specks.
  static let speck = 12
  /// Background away from objects stays below this level.
  static let faint: UInt8 = 72

  let width: Int
  let height: Int
  /// Regions in `workspace.start`, specks included.
  private(set) var regionCount = 0
  /// Foreground pixels that belong to no object, and bright background away from all objects.
  private(set) var clutter = 0
  private let workspace: SceneWorkspace

  init(_ image: PixelBuffer, _ workspace: SceneWorkspace) {
    width = image.width
    height = image.height
    self.workspace = workspace
    classify(image)
    grow()
    joinSpecks()
    countClutter()
  }

  /// The number of pixels in the region before specks join.
  func area(_ region: Int) -> Int {
    Int(workspace.start[region + 1] - workspace.start[region])
  }

  /// Whether the region is large enough to be an object.
  func isObject(_ region: Int) -> Bool { area(region) >= Self.speck }

  /// Calls `body` with the pixels that share an edge with `pixel`.
  @inline(__always)
  func forEachNeighbor(_ pixel: Int, _ body: (Int) -> Void) {
    let x = pixel % width
    if x > 0 { body(pixel - 1) }
    if x + 1 < width { body(pixel + 1) }
    if pixel >= width { body(pixel - width) }
    if pixel + width < width * height { body(pixel + width) }
  }

  private func classify(_ image: PixelBuffer) {
    image.pixels.withUnsafeBufferPointer { pixels in
      for index in 0..<(width * height) {
        let red = pixels[index * 3]
        let green = pixels[index * 3 + 1]
        let blue = pixels[index * 3 + 2]
        let level = max(red, green, blue)
        workspace.level[index] = level
        workspace.region[index] = -1
        workspace.channels[index] = 0
        if level < Self.foreground { continue }
        let limit = Int(level) * Self.onShare
        var channels: UInt8 = Int(red) << 8 > limit ? 1 : 0
        if Int(green) << 8 > limit { channels |= 2 }
        if Int(blue) << 8 > limit { channels |= 4 }
        workspace.channels[index] = channels
      }
    }
  }

  private mutating func grow() {
    var tail = 0
    workspace.start[0] = 0
    for seed in 0..<(width * height)
    where workspace.channels[seed] != 0 && workspace.region[seed] < 0 {
      let color = workspace.channels[seed]
      let id = Int16(regionCount)
      var head = tail
      workspace.region[seed] = id
      workspace.queue[tail] = UInt16(seed)
      tail += 1
      while head < tail {
        let pixel = Int(workspace.queue[head])
        head += 1
        forEachNeighbor(pixel) { next in
          if workspace.channels[next] == color && workspace.region[next] < 0 {
            workspace.region[next] = id
            workspace.queue[tail] = UInt16(next)
            tail += 1
          }
        }
      }
      regionCount += 1
      workspace.start[regionCount] = UInt16(tail)
    }
  }

  /// Joins each speck to the object with which it shares most edges; twice, for specks beside
  /// specks.
  private func joinSpecks() {
    for _ in 0..<2 {
      for speck in 0..<regionCount where !isObject(speck) {
        let members = Int(workspace.start[speck])..<Int(workspace.start[speck + 1])
        var best = -1
        for index in members {
          forEachNeighbor(Int(workspace.queue[index])) { next in
            let other = Int(workspace.region[next])
            guard other >= 0 && isObject(other) else { return }
            workspace.votes[other] += 1
            if best < 0 || workspace.votes[other] > workspace.votes[best] { best = other }
          }
        }
        if best < 0 { continue }
        for index in members {
          forEachNeighbor(Int(workspace.queue[index])) { next in
            if workspace.region[next] >= 0 { workspace.votes[Int(workspace.region[next])] = 0 }
          }
        }
        for index in members { workspace.region[Int(workspace.queue[index])] = Int16(best) }
      }
    }
  }

  private mutating func countClutter() {
    for pixel in 0..<(width * height) {
      let region = Int(workspace.region[pixel])
      if region >= 0 {
        if !isObject(region) { clutter += 1 }
      } else if workspace.level[pixel] >= Self.faint && !isNearObject(pixel) {
        clutter += 1
      }
    }
  }

  private func isNearObject(_ pixel: Int) -> Bool {
    let x = pixel % width
    let y = pixel / width
    for row in max(0, y - 2)...min(height - 1, y + 2) {
      for column in max(0, x - 2)...min(width - 1, x + 2) {
        let region = Int(workspace.region[row * width + column])
        if region >= 0 && isObject(region) { return true }
      }
    }
    return false
  }
}
