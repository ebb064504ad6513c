/// The bytes of an EXIF block, which is laid out as a TIFF file: a header with the order of bytes
/// and the place of the first directory.
struct EXIFBlock {
  /// What a JPEG's segment begins with that holds a block.
  static let name = Array("Exif\0\0".utf8)

  private let bytes: [UInt8]
  private let isBigEndian: Bool

  /// Nil if the bytes do not begin with a TIFF header, which may have the block's name before it:
  /// some programs write that twice.
  init?(_ bytes: [UInt8]) {
    let isNamed = bytes.starts(with: Self.name)
    let bytes = isNamed ? Array(bytes.dropFirst(Self.name.count)) : bytes
    guard let order = bytes.first, bytes.dropFirst().first == order else { return nil }
    guard order == UInt8(ascii: "I") || order == UInt8(ascii: "M") else { return nil }
    self.bytes = bytes
    isBigEndian = order == UInt8(ascii: "M")
    guard number(at: 2, size: 2) == 42 else { return nil }
  }

  /// The value of the tag Orientation in the first directory.
  var orientation: Int? {
    guard let directory = number(at: 4, size: 4), let count = number(at: directory, size: 2)
    else { return nil }
    for index in 0..<count {
      // Tag, type, count and value.
      let entry = directory + 2 + 12 * index
      guard let tag = number(at: entry, size: 2) else { return nil }
      if tag != 0x0112 { continue }
      guard number(at: entry + 4, size: 4) == 1 else { return nil }
      switch number(at: entry + 2, size: 2) {
      case 3: return number(at: entry + 8, size: 2)
      case 4: return number(at: entry + 8, size: 4)
      default: return nil
      }
    }
    return nil
  }

  /// A whole number of `size` bytes; nil if it does not lie within the block.
  private func number(at offset: Int, size: Int) -> Int? {
    guard offset + size <= bytes.count else { return nil }
    let digits = bytes[offset..<(offset + size)]
    return isBigEndian
      ? digits.reduce(0) { $0 << 8 | Int($1) } : digits.reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}
