/// The colors of the `shapes` task: the seven corners of the RGB cube other than black, a little
/// softened, so that each channel is either clearly on or clearly off.
package enum SceneColor: String, CaseIterable, Codable, Hashable, Sendable {
  case red, green, blue, yellow, cyan, magenta, white

  /// The color as drawn at full brightness, 0...255 per channel.
  package var rgb: SIMD3<Float> {
    switch self {
    case .red: [235, 55, 50]
    case .green: [60, 200, 75]
    case .blue: [65, 95, 245]
    case .yellow: [240, 215, 55]
    case .cyan: [60, 215, 225]
    case .magenta: [230, 65, 210]
    case .white: [240, 240, 240]
    }
  }

  /// The background color, 0...255 per channel.
  package static let background: SIMD3<Float> = [14, 14, 18]

  /// Which channels are on: bit 0 red, bit 1 green, bit 2 blue.
  var channels: Int {
    switch self {
    case .red: 0b001
    case .green: 0b010
    case .yellow: 0b011
    case .blue: 0b100
    case .magenta: 0b101
    case .cyan: 0b110
    case .white: 0b111
    }
  }

  /// Color by `channels`; entry 0 is not used.
  static let byChannels: [SceneColor] = [
    .white, .red, .green, .yellow, .blue, .magenta, .cyan, .white,
  ]
}
