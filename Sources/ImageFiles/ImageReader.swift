/// Reads images made elsewhere: PNG and JPEG, upright.
///
/// The format follows from the content, never from the file's name. An EXIF orientation, in APP1
/// segments of a JPEG or the chunk `eXIf` of a PNG, is applied as by Pillow's
/// `ImageOps.exif_transpose`. Pillow also looks for one in XMP and in the PNG text
/// `Raw profile type exif`; these are left alone.
package enum ImageReader {
  /// Reads an image file.
  ///
  /// - Throws: ``ImageFileError`` when the file is missing, a Git LFS pointer, of another format,
  ///   damaged, truncated or too large.
  package static func read(_ path: String) throws(ImageFileError) -> PixelBuffer {
    try decode(try ImageFile.read(path), path: path)
  }

  /// Decodes the bytes of an image file; `path` appears only in errors.
  package static func decode(
    _ bytes: [UInt8], path: String
  ) throws(ImageFileError) -> PixelBuffer {
    switch ImageFormat(bytes) {
    case .png:
      let (image, exif) = try PNG.decodeWithEXIF(bytes, path: path)
      return image.oriented(ImageOrientation(exif: exif))
    case .jpeg:
      let image = try JPEG.decode(bytes, path: path)
      return image.oriented(ImageOrientation(exif: JPEG.exif(bytes)))
    case let format?:
      throw .unsupported(
        path: path, format: format.rawValue, remedy: "convert the file to PNG or JPEG")
    case nil: throw .unrecognized(path: path)
    }
  }
}
