import CTurboJPEG

/// Reads and writes JPEG, 8-bit RGB, with TurboJPEG.
package enum JPEG {
  /// The bytes of a baseline JPEG file: chroma halved both ways (4:2:0), exact integer DCT,
  /// standard Huffman tables, as Pillow's `save(format="JPEG", quality:)` writes it.
  ///
  /// - Parameter quality: 1...100
  /// - Throws: ``ImageFileError/unencodable(format:reason:)``.
  package static func encode(
    _ image: PixelBuffer, quality: Int
  ) throws(ImageFileError) -> [UInt8] {
    precondition((1...100).contains(quality), "JPEG quality \(quality) is outside 1...100")
    guard let compressor = tjInitCompress() else { throw failure(nil) }
    defer { tjDestroy(compressor) }
    var file: UnsafeMutablePointer<UInt8>?
    var size: UInt = 0
    defer { tjFree(file) }
    let status = image.pixels.withUnsafeBufferPointer { pixels in
      tjCompress2(
        compressor, pixels.baseAddress, Int32(image.width), Int32(image.width * 3),
        Int32(image.height), Int32(TJPF_RGB.rawValue), &file, &size, Int32(TJSAMP_420.rawValue),
        Int32(quality), TJFLAG_ACCURATEDCT)
    }
    guard status == 0 else { throw failure(compressor) }
    return Array(UnsafeBufferPointer(start: file, count: Int(size)))
  }

  /// Decodes the bytes of a baseline or progressive JPEG file as stored, without regard to an EXIF
  /// orientation; `path` appears only in errors.
  ///
  /// The pixels are those of Pillow's `convert("RGB")`: exact integer DCT, interpolated chroma, and
  /// gray as three equal channels.
  ///
  /// - Throws: ``ImageFileError`` when the file is damaged, truncated, too large or of CMYK colors;
  ///   what libjpeg warns of, such as a premature end, is an error, too, unless it leaves the
  ///   pixels as they are.
  package static func decode(
    _ bytes: [UInt8], path: String = "image"
  ) throws(ImageFileError) -> PixelBuffer {
    guard let decompressor = tjInitDecompress() else { throw malformed(path, message(nil)) }
    defer { tjDestroy(decompressor) }
    var size: (width: Int32, height: Int32) = (0, 0)
    var subsampling: Int32 = -1
    var colors: Int32 = -1
    // Fails also for chroma reduced in an unusual way, which is decoded like any other; the faults
    // that prevent decoding appear there again.
    let status = tjDecompressHeader3(
      decompressor, bytes, UInt(bytes.count), &size.width, &size.height, &subsampling, &colors)
    let (width, height) = (Int(size.width), Int(size.height))
    guard width > 0 && height > 0 else {
      throw malformed(path, status == 0 ? "it has no image" : message(decompressor))
    }
    guard width * height <= PNG.pixelLimit else {
      throw .tooLarge(path: path, width: width, height: height, limit: PNG.pixelLimit)
    }
    guard colors != TJCS_CMYK.rawValue && colors != TJCS_YCCK.rawValue else {
      throw .unsupported(
        path: path, format: "JPEG with CMYK colors", remedy: "convert the file to RGB")
    }
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    func decode(_ flags: Int32) -> Bool {
      tjDecompress2(
        decompressor, bytes, UInt(bytes.count), &pixels, size.width, size.width * 3, size.height,
        Int32(TJPF_RGB.rawValue), flags | TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS) == 0
    }
    if !decode(TJFLAG_STOPONWARNING) {
      let reason = message(decompressor)
      // Of several warnings only the first has words, so a truncated end is looked for.
      guard isHarmless(reason), hasEnd(bytes),
        decode(0) || tjGetErrorCode(decompressor) == Int32(TJERR_WARNING.rawValue)
      else { throw malformed(path, reason) }
    }
    return PixelBuffer(width: width, height: height, pixels: pixels)
  }

  /// Whether a warning is about something that decides no pixel. Cameras write such files, and
  /// Pillow reads them.
  private static func isHarmless(_ warning: String) -> Bool {
    warning == "Invalid SOS parameters for sequential JPEG"
      || warning.hasPrefix("Warning: unknown JFIF revision number")
      || warning.hasPrefix("Unknown Adobe color transform code")
      || warning.hasPrefix("Corrupt JPEG data: ") && warning.contains("extraneous bytes before")
  }

  /// Whether the last scan is followed by the mark of the image's end.
  private static func hasEnd(_ bytes: [UInt8]) -> Bool {
    let last = bytes.indices.dropLast().last {
      bytes[$0] == 0xFF && (bytes[$0 + 1] == 0xD9 || bytes[$0 + 1] == 0xDA)
    }
    return last.map { bytes[$0 + 1] == 0xD9 } ?? false
  }

  /// The EXIF block of a file: what its APP1 segments named `Exif` hold, one after the other; empty
  /// without one.
  static func exif(_ bytes: [UInt8]) -> [UInt8] {
    let name = EXIFBlock.name
    var block: [UInt8] = []
    // The markers between the start of the image and its first scan.
    var position = 2
    while position + 4 <= bytes.count {
      // Other bytes before a marker are skipped, as libjpeg does.
      guard bytes[position] == 0xFF else {
        position += 1
        continue
      }
      let marker = bytes[position + 1]
      switch marker {
      case 0xFF: position += 1
      case 0x00, 0x01, 0xD0...0xD7: position += 2
      case 0xD9, 0xDA: return block
      default:
        // The length counts its own two bytes.
        let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
        guard length >= 2 && position + 2 + length <= bytes.count else { return block }
        let content = bytes[(position + 4)..<(position + 2 + length)]
        if marker == 0xE1 && content.starts(with: name) { block += content.dropFirst(name.count) }
        position += 2 + length
      }
    }
    return block
  }

  private static func malformed(_ path: String, _ reason: String) -> ImageFileError {
    .malformed(path: path, format: "JPEG", reason: reason)
  }

  private static func failure(_ compressor: tjhandle?) -> ImageFileError {
    .unencodable(format: "JPEG", reason: message(compressor))
  }

  /// TurboJPEG's words for its last fault.
  private static func message(_ handle: tjhandle?) -> String {
    String(cString: tjGetErrorStr2(handle))
  }
}
