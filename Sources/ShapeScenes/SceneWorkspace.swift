/// Scratch memory for one image of `count` pixels; the owner frees it.
struct SceneWorkspace {
  /// Largest channel of each pixel, 0...255.
  let level: UnsafeMutablePointer<UInt8>
  /// Channels that are on (``SceneColor/channels``), 0 for background.
  let channels: UnsafeMutablePointer<UInt8>
  /// Region of each pixel, -1 for background.
  let region: UnsafeMutablePointer<Int16>
  /// Foreground pixels, region by region.
  let queue: UnsafeMutablePointer<UInt16>
  /// First index in `queue` of each region, and one past the last.
  let start: UnsafeMutablePointer<UInt16>
  /// Counters by region, zero between uses.
  let votes: UnsafeMutablePointer<UInt16>
  /// The share of each pixel that the current object covers, 0...1.
  let cover: UnsafeMutablePointer<Float>

  init(count: Int) {
    precondition(count < 1 << 15, "the verifier is made for images up to 181 x 181 pixels")
    level = .allocate(capacity: count)
    channels = .allocate(capacity: count)
    region = .allocate(capacity: count)
    queue = .allocate(capacity: count)
    start = .allocate(capacity: count + 1)
    votes = .allocate(capacity: count)
    cover = .allocate(capacity: count)
    votes.initialize(repeating: 0, count: count)
    cover.initialize(repeating: 0, count: count)
  }

  func deallocate() {
    level.deallocate()
    channels.deallocate()
    region.deallocate()
    queue.deallocate()
    start.deallocate()
    votes.deallocate()
    cover.deallocate()
  }
}
