/// The format of an image file; the raw value is its name.
enum ImageFormat: String {
  case png = "PNG"
  case jpeg = "JPEG"
  case webP = "WebP"
  case gif = "GIF"
  case bmp = "BMP"
  case tiff = "TIFF"
  case heic = "HEIC"
  case avif = "AVIF"
  case jpegXL = "JPEG XL"
  case jpeg2000 = "JPEG 2000"
  case svg = "SVG"
  case pdf = "PDF"

  /// The format that the first bytes of a file tell; nil for one without a case.
  init?(_ bytes: [UInt8]) {
    let start = bytes.prefix(Self.examined)
    let signature = Self.signatures.first { $0.parts.allSatisfy { start.has($1, at: $0) } }
    guard let format = signature?.format ?? Self.mediaFormat(start) ?? Self.textFormat(start)
    else { return nil }
    self = format
  }

  /// The bytes at the beginning that are looked at.
  private static let examined = 4096

  private static let signatures: [(format: Self, parts: [(offset: Int, bytes: [UInt8])])] = [
    (.png, [(0, [0x89, 0x50, 0x4E, 0x47])]),
    (.jpeg, [(0, [0xFF, 0xD8, 0xFF])]),
    (.webP, [(0, text("RIFF")), (8, text("WEBP"))]),
    (.gif, [(0, text("GIF8"))]),
    // The second part is the upper half of a length.
    (.bmp, [(0, text("BM")), (16, [0, 0])]),
    (.tiff, [(0, text("II*\0"))]),
    (.tiff, [(0, text("MM\0*"))]),
    (.tiff, [(0, text("II+\0"))]),
    (.tiff, [(0, text("MM\0+"))]),
    (.jpegXL, [(0, [0xFF, 0x0A])]),
    (.jpegXL, [(0, [0, 0, 0, 12]), (4, text("JXL \r\n")), (10, [0x87, 0x0A])]),
    (.jpeg2000, [(0, [0xFF, 0x4F, 0xFF, 0x51])]),
    (.jpeg2000, [(0, [0, 0, 0, 12]), (4, text("jP  \r\n")), (10, [0x87, 0x0A])]),
    (.pdf, [(0, text("%PDF-"))]),
  ]

  private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// The format of an ISO media file by the brands of its first box: a length, `ftyp`, the major
  /// brand, a version and the compatible brands, four bytes each.
  private static func mediaFormat(_ start: ArraySlice<UInt8>) -> Self? {
    guard start.has(text("ftyp"), at: 4) else { return nil }
    let length = start.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    let brands = stride(from: 8, to: min(length, start.count) - 3, by: 4).filter { $0 != 12 }
      .map { String(decoding: start[$0..<($0 + 4)], as: UTF8.self) }
    if brands.contains(where: avifBrands.contains) { return .avif }
    return brands.contains(where: heicBrands.contains) ? .heic : nil
  }

  private static let avifBrands: Set<String> = ["avif", "avis"]
  private static let heicBrands: Set<String> = [
    "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1",
  ]

  /// SVG, where a text begins with its element or has it after an XML declaration or a comment.
  private static func textFormat(_ start: ArraySlice<UInt8>) -> Self? {
    let words = String(decoding: start, as: UTF8.self)
      .drop { $0.isWhitespace || $0 == "\u{FEFF}" }
    if words.hasPrefix("<svg") { return .svg }
    let preludes = ["<?xml", "<!--", "<!DOCTYPE svg"]
    return preludes.contains { words.hasPrefix($0) } && words.contains("<svg") ? .svg : nil
  }
}

extension ArraySlice<UInt8> {
  /// Whether the slice, which begins at index 0, has these bytes at `offset`.
  fileprivate func has(_ bytes: [UInt8], at offset: Int) -> Bool {
    dropFirst(offset).starts(with: bytes)
  }
}
