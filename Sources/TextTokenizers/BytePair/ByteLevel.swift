/// The printable characters that represent the 256 bytes in a byte-level vocabulary (as in GPT-2).
///
/// Printable Latin-1 bytes map to themselves; the others map, in order, to U+0100 and following.
enum ByteLevel {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (0..<256).map { (byte: UInt32) in
      if isPrintable(byte), let scalar = Unicode.Scalar(byte) { return scalar }
      defer { next += 1 }
      guard let scalar = Unicode.Scalar(next) else { preconditionFailure("not a scalar: \(next)") }
      return scalar
    }
  }()

  /// The character of each byte, as UTF-8.
  static let utf8: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  /// Bytes in the order of CLIP's vocabulary: the printable ones first.
  static let vocabularyOrder: [Int] =
    (0..<256).filter { isPrintable(UInt32($0)) } + (0..<256).filter { !isPrintable(UInt32($0)) }

  private static func isPrintable(_ byte: UInt32) -> Bool {
    (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
  }
}
