import CTurboJPEG

/// Writes JPEG, 8-bit RGB, with TurboJPEG.
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

  private static func failure(_ compressor: tjhandle?) -> ImageFileError {
    .unencodable(format: "JPEG", reason: String(cString: tjGetErrorStr2(compressor)))
  }
}
