import CPNG

/// Reads and writes PNG, 8-bit RGB, with libpng.
///
/// Pixels are read as stored, as in Pillow's `convert("RGB")`: gray becomes three equal channels, a
/// palette its colors, 16 bits their high byte (for gray as well, where Pillow clips), alpha is
/// dropped, and gAMA, color profiles and an EXIF orientation are ignored.
package enum PNG {
  /// Images with more pixels are refused before memory is allocated for them.
  package static let pixelLimit = 1 << 26

  /// Reads a PNG file.
  ///
  /// Throws ``ImageFileError`` when the file is missing, damaged, truncated or too large.
  package static func read(_ path: String) throws(ImageFileError) -> PixelBuffer {
    try decode(try ImageFile.read(path), path: path)
  }

  /// Decodes the bytes of a PNG file; `path` appears only in errors.
  package static func decode(
    _ bytes: [UInt8], path: String = "image"
  ) throws(ImageFileError) -> PixelBuffer {
    try decodeWithEXIF(bytes, path: path).image
  }

  /// The image, and the EXIF block of the chunk `eXIf`, empty without one.
  static func decodeWithEXIF(
    _ bytes: [UInt8], path: String
  ) throws(ImageFileError) -> (image: PixelBuffer, exif: [UInt8]) {
    var reader = cpng_reader()
    defer { cpng_end(&reader) }
    typealias Content = (image: PixelBuffer, exif: [UInt8])
    let result: Result<Content, ImageFileError> = bytes.withUnsafeBytes { source in
      guard cpng_begin(&reader, source.baseAddress, source.count) != 0 else {
        return .failure(.malformed(path: path, format: "PNG", reason: message(reader)))
      }
      let width = Int(reader.width)
      let height = Int(reader.height)
      guard width * height <= pixelLimit else {
        return .failure(.tooLarge(path: path, width: width, height: height, limit: pixelLimit))
      }
      var pixels = [UInt8](repeating: 0, count: width * height * 3)
      guard cpng_pixels(&reader, &pixels) != 0 else {
        return .failure(.malformed(path: path, format: "PNG", reason: message(reader)))
      }
      let image = PixelBuffer(width: width, height: height, pixels: pixels)
      var count: UInt32 = 0
      let block = cpng_exif(&reader, &count)
      return .success((image, Array(UnsafeBufferPointer(start: block, count: Int(count)))))
    }
    return try result.get()
  }

  /// The bytes of a PNG file with the image; equal images give equal bytes.
  package static func encode(_ buffer: PixelBuffer) throws(ImageFileError) -> [UInt8] {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(buffer.width)
    image.height = UInt32(buffer.height)
    image.format = rgb
    defer { png_image_free(&image) }
    let stride = png_int_32(buffer.width * 3)
    // Every 8,192 bytes of deflate's are a chunk of 12 more, and deflate adds less than half as
    // much to numbers that it cannot compress.
    let rows = (buffer.width * 3 + 1) * buffer.height
    var size = rows + rows / 256 + 4096
    var bytes = [UInt8](repeating: 0, count: size)
    guard png_image_write_to_memory(&image, &bytes, &size, 0, buffer.pixels, stride, nil) != 0
    else { throw .unencodable(format: "PNG", reason: message(image)) }
    bytes.removeLast(bytes.count - size)
    return bytes
  }

  /// Writes the image as a PNG file: beside the target, synced, then renamed over it.
  ///
  /// Throws ``ImageFileError``; an older file at `path` then stays as it was.
  package static func write(_ buffer: PixelBuffer, to path: String) throws(ImageFileError) {
    try ImageFile.write(try encode(buffer), to: path)
  }

  /// `PNG_FORMAT_RGB`, whose macro Swift does not import.
  private static let rgb = UInt32(PNG_FORMAT_FLAG_COLOR)

  private static func message(_ image: png_image) -> String {
    withUnsafeBytes(of: image.message) { text($0) }
  }

  private static func message(_ reader: cpng_reader) -> String {
    withUnsafeBytes(of: reader.message) { text($0) }
  }

  private static func text(_ message: UnsafeRawBufferPointer) -> String {
    let text = message.prefix { $0 != 0 }
    return text.isEmpty ? "libpng has no message" : String(decoding: text, as: UTF8.self)
  }
}
