/// What makes a stored image upright; the raw values are those of EXIF's tag Orientation.
package enum ImageOrientation: Int, CaseIterable, Sendable {
  case upright = 1
  case mirroredLeftRight = 2
  case halfTurn = 3
  case mirroredTopBottom = 4
  /// Rows become columns: a mirror on the diagonal from the top left.
  case transposed = 5
  case quarterTurnClockwise = 6
  /// A mirror on the diagonal from the top right.
  case transversed = 7
  case quarterTurnCounterclockwise = 8
}

extension ImageOrientation {
  /// The orientation in an EXIF block; upright for a block without one, a damaged block and a
  /// number outside 1...8.
  init(exif: [UInt8]) {
    self = EXIFBlock(exif)?.orientation.flatMap(Self.init(rawValue:)) ?? .upright
  }
}
