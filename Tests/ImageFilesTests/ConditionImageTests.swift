import Foundation
import ImageFiles
import TestSupport
import Testing

/// Reading of images made elsewhere, with the files of `Tools/fixtures/condition_images.py`.
@Suite struct ConditionImageTests {
  private static let folder = fixture("images/condition")

  /// The files that are read; Pillow's pixels of each are in `expected`.
  static let readable =
    (1...8).map { "orientation-\($0).jpg" } + [
      "progressive.jpg", "gray.jpg", "reduced-chroma.jpg", "orientation-6.png",
      "orientation-6-behind-pixels.png", "text-orientation.png", "wide.png",
    ]

  private func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)")))
  }

  private func decode(_ bytes: [UInt8]) throws(ImageFileError) -> PixelBuffer {
    try ImageReader.decode(bytes, path: "image")
  }

  private func failure(_ bytes: [UInt8]) -> String? {
    #expect(throws: ImageFileError.self) { try decode(bytes) }?.description
  }

  @Test(arguments: readable)
  func `an image equals Pillow's byte for byte`(name: String) throws {
    let image = try ImageReader.read("\(Self.folder)/\(name)")
    #expect(try image == PNG.read("\(Self.folder)/expected/\(name).png"))
  }

  @Test func `every file with an expected image is compared`() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: "\(Self.folder)/expected")
    #expect(Set(files) == Set(Self.readable.map { "\($0).png" }))
  }

  @Test func `the formats' own readers leave the orientation alone`() throws {
    let png = try PNG.read("\(Self.folder)/orientation-6.png")
    #expect(png.width == 21 && png.height == 13)
    let jpeg = try JPEG.decode(bytes("orientation-6.jpg"))
    #expect(jpeg.width == 21 && jpeg.height == 13)
  }

  @Test func `gray files have three equal channels`() throws {
    let image = try decode(bytes("gray.jpg"))
    for y in 0..<image.height {
      for x in 0..<image.width {
        let pixel = image[x, y]
        #expect(pixel.red == pixel.green && pixel.red == pixel.blue)
      }
    }
    #expect(Set(image.pixels).count > 50)
  }

  @Test func `each of the eight orientations moves every pixel to its place`() {
    // 1 2 3
    // 4 5 6
    let image = PixelBuffer(width: 3, height: 2, pixels: (1...6).flatMap { [$0, $0 + 10, 0] })
    let expected: [ImageOrientation: [[UInt8]]] = [
      .upright: [[1, 2, 3], [4, 5, 6]],
      .mirroredLeftRight: [[3, 2, 1], [6, 5, 4]],
      .halfTurn: [[6, 5, 4], [3, 2, 1]],
      .mirroredTopBottom: [[4, 5, 6], [1, 2, 3]],
      .transposed: [[1, 4], [2, 5], [3, 6]],
      .quarterTurnClockwise: [[4, 1], [5, 2], [6, 3]],
      .transversed: [[6, 3], [5, 2], [4, 1]],
      .quarterTurnCounterclockwise: [[3, 6], [2, 5], [1, 4]],
    ]
    #expect(expected.count == ImageOrientation.allCases.count)
    for (orientation, rows) in expected {
      let turned = image.oriented(orientation)
      #expect(turned.width == rows[0].count && turned.height == rows.count, "\(orientation)")
      #expect(turned.pixels == rows.joined().flatMap { [$0, $0 + 10, 0] }, "\(orientation)")
    }
  }

  // MARK: - EXIF

  /// An EXIF block whose only tag is an orientation.
  private func block(
    _ value: Int, bigEndian: Bool = true, tag: Int = 0x0112, type: Int = 3, count: Int = 1
  ) -> [UInt8] {
    func number(_ value: Int, _ size: Int) -> [UInt8] {
      let digits = (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      return bigEndian ? digits.reversed() : digits
    }
    let field = type == 3 ? number(value, 2) + [0, 0] : number(value, 4)
    return Array(bigEndian ? "MM".utf8 : "II".utf8) + number(42, 2) + number(8, 4) + number(1, 2)
      + number(tag, 2) + number(type, 2) + number(count, 4) + field + number(0, 4)
  }

  /// A segment of a JPEG file.
  private func segment(_ marker: UInt8, _ content: [UInt8]) -> [UInt8] {
    let length = content.count + 2
    return [0xFF, marker, UInt8(length >> 8), UInt8(length & 255)] + content
  }

  private func exifSegment(_ block: [UInt8]) -> [UInt8] {
    segment(0xE1, Array("Exif\0\0".utf8) + block)
  }

  /// Whether a wide JPEG with these bytes behind its start is read as a tall one.
  private func isTurned(_ segments: [UInt8]) throws -> Bool {
    var bytes = try JPEG.encode(PixelBuffer(width: 16, height: 8), quality: 90)
    bytes.insert(contentsOf: segments, at: 2)
    let image = try decode(bytes)
    #expect(image.width + image.height == 24)
    return image.height == 16
  }

  @Test func `short and long orientations are read in both byte orders`() throws {
    for bigEndian in [true, false] {
      for type in [3, 4] {
        for value in 1...8 {
          let block = block(value, bigEndian: bigEndian, type: type)
          #expect(try isTurned(exifSegment(block)) == (value >= 5))
        }
      }
    }
  }

  @Test func `a value outside one to eight, another type or another count turn nothing`() throws {
    for bigEndian in [true, false] {
      var blocks = [0, 9, 255, 256, 6 << 8, 65_535].map { block($0, bigEndian: bigEndian) }
      blocks += [1, 2, 5, 7, 0, 99, 65_535].map { block(6, bigEndian: bigEndian, type: $0) }
      blocks += [0, 2, 1 << 31, (1 << 32) - 1].map { block(6, bigEndian: bigEndian, count: $0) }
      blocks.append(block(6, bigEndian: bigEndian, tag: 0x0113))
      blocks.append(block((1 << 32) - 2, bigEndian: bigEndian, type: 4))
      for block in blocks { #expect(try !isTurned(exifSegment(block)), "\(block)") }
    }
  }

  @Test func `a damaged EXIF block turns nothing`() throws {
    let whole = block(6)
    // Everything up to the value's second byte.
    for count in 0..<20 { #expect(try !isTurned(exifSegment(Array(whole[..<count]))), "\(count)") }
    #expect(try isTurned(exifSegment(Array(whole[..<20]))))
    func changed(_ place: Int, _ bytes: [UInt8]) -> [UInt8] {
      whole.enumerated().map { place..<(place + bytes.count) ~= $0 ? bytes[$0 - place] : $1 }
    }
    let blocks = [
      changed(0, Array("II".utf8)), changed(1, Array("I".utf8)), changed(0, Array("XX".utf8)),
      changed(2, [0, 43]), changed(4, [255, 255, 255, 255]), changed(4, [0, 0, 0, 0]),
      changed(4, [0, 0, 0, 25]), changed(4, [127, 255, 255, 255]), changed(8, [0, 0]),
      [], [0], [UInt8](repeating: 0xFF, count: 60_000),
    ]
    for block in blocks { #expect(try !isTurned(exifSegment(block)), "\(block.prefix(26))") }
    // More entries than there are.
    #expect(try !isTurned(exifSegment(changed(8, [255, 255, 1, 0]))))
    #expect(try isTurned(exifSegment(changed(8, [255, 255]))))
  }

  @Test func `an EXIF block is found among other segments and in two parts`() throws {
    let name = Array("http://ns.adobe.com/xap/1.0/\0<x/>".utf8)
    let exif = exifSegment(block(6))
    #expect(try isTurned(segment(0xE1, name) + exif))
    #expect(try isTurned(segment(0xFE, [0xFF, 0xDA, 0xFF, 0xD9]) + exif))
    #expect(try isTurned([0xFF, 0xFF, 0xFF] + exif))
    let parts = [Array(block(6)[..<17]), Array(block(6)[17...])]
    #expect(try isTurned(exifSegment(parts[0]) + segment(0xE2, []) + exifSegment(parts[1])))
    // The first block counts.
    #expect(try !isTurned(exifSegment(block(1)) + exif))
    #expect(try !isTurned(segment(0xE2, Array("Exif\0\0".utf8) + block(6))))
    #expect(try !isTurned(segment(0xE1, Array("Exif\0".utf8) + block(6))))
  }

  // MARK: - Refused files

  @Test(arguments: [
    ("refused.webp", "WebP"), ("refused.gif", "GIF"), ("refused.bmp", "BMP"),
    ("refused.tiff", "TIFF"), ("refused.avif", "AVIF"), ("refused.jp2", "JPEG 2000"),
  ])
  func `a file of another format is refused by its name`(name: String, format: String) throws {
    let path = "\(Self.folder)/\(name)"
    let error = #expect(throws: ImageFileError.self) { try ImageReader.read(path) }
    let text = "\(path): the format \(format) is not read; convert the file to PNG or JPEG"
    #expect(error?.description == text)
  }

  @Test func `the first bytes are enough for the name`() throws {
    let starts = [
      ("HEIC", "\0\0\0\u{18}ftypheic\0\0\0\0mif1heic"),
      ("HEIC", "\0\0\0\u{14}ftypmif1\0\0\0\0heic"),
      ("AVIF", "\0\0\0\u{14}ftypmif1\0\0\0\0avif"), ("AVIF", "\0\0\0\u{10}ftypavis\0\0\0\0"),
      ("JPEG XL", "\0\0\0\u{0C}JXL \r\n\u{87}\n"), ("JPEG XL", "\u{FF}\n\0\0"),
      ("JPEG 2000", "\u{FF}O\u{FF}Q\0"), ("TIFF", "MM\0*\0\0\0\u{08}"), ("TIFF", "II+\0\u{08}\0"),
      ("PDF", "%PDF-1.7\n"), ("GIF", "GIF87a\u{1}\0"), ("SVG", "<svg xmlns=''/>"),
      ("SVG", "\u{EF}\u{BB}\u{BF}\n <?xml version='1.0'?>\n<!-- x -->\n<svg/>"),
      ("SVG", "<!DOCTYPE svg PUBLIC ''>\r\n<svg>"), ("SVG", "<!-- by hand -->\r\n<svg>"),
    ]
    for (format, start) in starts {
      let bytes = latin1(start)
      let text = "image: the format \(format) is not read; convert the file to PNG or JPEG"
      #expect(failure(bytes) == text)
      for count in 0..<bytes.count {
        #expect(throws: ImageFileError.self) { try decode(Array(bytes[..<count])) }
      }
    }
  }

  @Test func `anything else is neither a PNG nor a JPEG`() {
    let starts = [
      "", "B", "BM", "text", "\u{FF}\u{D8}", "BMW drivers are people", "<html><svg></html>",
      "\0\0\0\u{14}ftypisom\0\0\0\0avc1", "\0\0\0\u{0C}ftypavi", "\0\0\0\0ftypavif",
      "\u{FF}\u{FF}\u{FF}\u{FF}ftyp", "RIFF\0\0\0\0WAVE", "<?xml version='1.0'?><kml/>",
    ]
    for start in starts {
      #expect(
        failure(latin1(start))
          == "image: not a PNG or JPEG; check the path, or convert the file to one of them")
    }
  }

  /// The bytes of a text whose characters are below 256.
  private func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }

  @Test func `a JPEG with CMYK or YCCK colors is refused with a remedy`() throws {
    let path = "\(Self.folder)/cmyk.jpg"
    let error = #expect(throws: ImageFileError.self) { try ImageReader.read(path) }
    #expect(
      error?.description
        == "\(path): the format JPEG with CMYK colors is not read; convert the file to RGB")
    // The kind of color is the twelfth byte of the segment that Adobe names.
    var bytes = try bytes("cmyk.jpg")
    let adobe = try #require(bytes.firstRange(of: Array("Adobe".utf8)))
    bytes[adobe.lowerBound + 11] = 2
    #expect(failure(bytes)?.contains("CMYK") == true)
  }

  @Test func `the content decides on the format, not the file's name`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/image.png"
      try Data(try bytes("orientation-1.jpg")).write(to: URL(filePath: path))
      #expect(try ImageReader.read(path).width == 21)
      try Data(try bytes("orientation-1.jpg").dropLast()).write(to: URL(filePath: path))
      let error = #expect(throws: ImageFileError.self) { try ImageReader.read(path) }
      #expect(error?.description.hasPrefix("\(path): not a valid JPEG (") == true)
    }
  }

  @Test func `a missing file and a Git LFS pointer are errors that name the path`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/image.jpg"
      let missing = #expect(throws: ImageFileError.self) { try ImageReader.read(path) }
      #expect(missing == .unreadable(path: path, reason: "No such file or directory"))
      try Data("version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 9\n".utf8)
        .write(to: URL(filePath: path))
      let pointer = #expect(throws: ImageFileError.self) { try ImageReader.read(path) }
      #expect(pointer?.description.contains("git lfs pull") == true)
      #expect(pointer?.description.contains(path) == true)
    }
  }

  @Test func `a JPEG of an absurd size is refused before memory is allocated`() throws {
    var bytes = try JPEG.encode(PixelBuffer(width: 16, height: 8), quality: 90)
    let frame = try #require(bytes.firstRange(of: [0xFF, 0xC0, 0, 17, 8, 0, 8, 0, 16]))
    bytes.replaceSubrange(
      (frame.lowerBound + 5)..<frame.upperBound, with: [0xFF, 0xDC, 0xFF, 0xDC])
    let error = #expect(throws: ImageFileError.self) { try decode(bytes) }
    #expect(
      error == .tooLarge(path: "image", width: 65_500, height: 65_500, limit: PNG.pixelLimit))
  }

  // MARK: - Damage

  @Test(arguments: ["orientation-6.jpg", "progressive.jpg", "gray.jpg"])
  func `every truncation of a JPEG is an error`(name: String) throws {
    let bytes = try bytes(name)
    for count in 0..<bytes.count {
      #expect(throws: ImageFileError.self, "\(count)") { try decode(Array(bytes[..<count])) }
    }
  }

  @Test func `what libjpeg warns of is an error with its words`() throws {
    let whole = try bytes("orientation-6.jpg")
    #expect(
      failure(whole.dropLast(2))
        == "image: not a valid JPEG (Premature end of JPEG file); write the file again")
    #expect(failure([0xFF, 0xD8, 0xFF, 0xD9])?.contains("not a valid JPEG (") == true)
    // Bytes behind the end belong to something else.
    #expect(try decode(whole + [1, 2, 3]) == decode(whole))
  }

  @Test func `a warning that leaves the pixels alone is none, as with Pillow`() throws {
    let whole = try bytes("orientation-6.jpg")
    let scan = try #require(whole.firstRange(of: [0xFF, 0xDA])).lowerBound
    let header = Int(whole[scan + 2]) << 8 | Int(whole[scan + 3])
    // The end of the spectrum, which baseline files do not use: some telephones write 0.
    var samsung = whole
    #expect(samsung[scan + header] == 63)
    samsung[scan + header] = 0
    // Behind the start of the image and the segment JFIF, before EXIF.
    let extraneous = Array(whole[..<20]) + [1, 2, 3] + Array(whole[20...])
    for variant in [samsung, extraneous] {
      #expect(try decode(variant) == decode(whole))
      // It does not hide what follows.
      for count in [2, 3, 40, 200] {
        #expect(throws: ImageFileError.self, "\(count)") { try decode(variant.dropLast(count)) }
      }
    }
    // The orientation is found behind a name that is there twice.
    let mark = try #require(whole.firstRange(of: Array("Exif\0\0".utf8)))
    var twice = whole
    twice.insert(contentsOf: Array("Exif\0\0".utf8), at: mark.upperBound)
    let length = Int(twice[mark.lowerBound - 2]) << 8 | Int(twice[mark.lowerBound - 1])
    twice[mark.lowerBound - 2] = UInt8((length + 6) >> 8)
    twice[mark.lowerBound - 1] = UInt8((length + 6) & 255)
    #expect(try decode(twice) == decode(whole))
  }

  @Test func `no damaged file ends the program`() throws {
    var mutations = Mutations(seed: 29)
    for name in Self.readable + ["cmyk.jpg", "refused.avif"] {
      let bytes = try bytes(name)
      for _ in 0..<300 { check(mutations.mutated(bytes)) }
    }
  }

  @Test(arguments: ["orientation-6.jpg", "orientation-5.jpg", "orientation-6.png"])
  func `no damaged EXIF block ends the program`(name: String) throws {
    let bytes = try bytes(name)
    let mark: [UInt8] = name.hasSuffix("png") ? Array("eXIf".utf8) : Array("Exif\0\0".utf8)
    let start = try #require(bytes.firstRange(of: mark)).upperBound
    var mutations = Mutations(seed: 31)
    var accepted = 0
    for _ in 0..<3000 {
      var damaged = bytes
      for _ in 0...mutations.next(3) {
        damaged[start - 8 + mutations.next(68)] = UInt8(mutations.next(256))
      }
      accepted += check(damaged) ? 1 : 0
    }
    // The block's own bytes hinder no decoding.
    #expect(accepted > 1500)
  }

  /// Whether the bytes are an image; an error must have a description.
  @discardableResult private func check(_ bytes: [UInt8]) -> Bool {
    do throws(ImageFileError) {
      let image = try decode(bytes)
      #expect(image.pixels.count == image.width * image.height * 3)
      return true
    } catch {
      #expect(error.description.hasPrefix("image: "))
      return false
    }
  }
}
