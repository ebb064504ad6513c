import Foundation
import ImageFiles
import TestSupport
import Testing

@Suite struct PNGTests {
  /// An image whose pixels all differ.
  private func gradient(width: Int, height: Int) -> PixelBuffer {
    var image = PixelBuffer(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width {
        image[x, y] = (UInt8(x * 5 & 255), UInt8(y * 7 & 255), UInt8((x * y + 3) & 255))
      }
    }
    return image
  }

  private func bytes(base64: String) throws -> [UInt8] {
    [UInt8](try #require(Data(base64Encoded: base64)))
  }

  @Test(arguments: [(1, 1), (3, 2), (32, 32), (61, 17)])
  func `an image is read back from its PNG bytes unchanged`(width: Int, height: Int) throws {
    let image = gradient(width: width, height: height)
    #expect(try PNG.decode(PNG.encode(image)) == image)
  }

  @Test func `an image is read back from its file unchanged`() throws {
    let image = gradient(width: 40, height: 25)
    try withTemporaryFolder { folder in
      try PNG.write(image, to: folder + "/a.png")
      #expect(try PNG.read(folder + "/a.png") == image)
    }
  }

  @Test func `equal images give equal bytes`() throws {
    let image = gradient(width: 32, height: 32)
    #expect(try PNG.encode(image) == PNG.encode(image))
  }

  @Test func `writing replaces the file and leaves no other file beside it`() throws {
    try withTemporaryFolder { folder in
      try PNG.write(PixelBuffer(width: 2, height: 2), to: folder + "/a.png")
      let second = gradient(width: 5, height: 5)
      try PNG.write(second, to: folder + "/a.png")
      #expect(try PNG.read(folder + "/a.png") == second)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.png"])
    }
  }

  @Test func `a failed write keeps the old file and leaves no other file`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.png"
      // A folder that is not empty cannot be replaced by a file.
      try FileManager.default.createDirectory(
        atPath: path + "/inside", withIntermediateDirectories: true)
      let error = #expect(throws: ImageFileError.self) {
        try PNG.write(PixelBuffer(width: 2, height: 2), to: path)
      }
      #expect(error?.description.hasPrefix("\(path): cannot be written") == true)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.png"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["inside"])
    }
  }

  @Test func `a missing folder and a missing file are errors that name the path`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/none/a.png"
      let writing = #expect(throws: ImageFileError.self) {
        try PNG.write(PixelBuffer(width: 1, height: 1), to: path)
      }
      #expect(
        writing == .unwritable(path: path, reason: "No such file or directory"))
      let reading = #expect(throws: ImageFileError.self) { try PNG.read(path) }
      #expect(reading == .unreadable(path: path, reason: "No such file or directory"))
      let directory = #expect(throws: ImageFileError.self) { try PNG.read(folder) }
      #expect(directory == .unreadable(path: folder, reason: "Is a directory"))
    }
  }

  @Test func `a file that is not a PNG is an error that names the path`() throws {
    for bytes in [[], [1, 2, 3], [UInt8](repeating: 65, count: 200)] {
      let error = #expect(throws: ImageFileError.self) {
        try PNG.decode(bytes, path: "some/file.png")
      }
      #expect(error?.description.hasPrefix("some/file.png: not a valid PNG") == true)
    }
  }

  @Test func `a Git LFS pointer in place of an image is an error with the command to run`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/0000.png"
      try Data("version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 9\n".utf8)
        .write(to: URL(filePath: path))
      let error = #expect(throws: ImageFileError.self) { try PNG.read(path) }
      #expect(error?.description.contains("git lfs pull") == true)
      #expect(error?.description.contains(path) == true)
    }
  }

  @Test func `every truncation short of the end is an error and never a crash`() throws {
    let bytes = try PNG.encode(gradient(width: 20, height: 20))
    // The last twelve bytes are the empty end chunk.
    for count in 0..<(bytes.count - 12) {
      #expect(throws: ImageFileError.self) { try PNG.decode(Array(bytes[..<count])) }
    }
  }

  @Test func `damaged bytes never crash and never change the size of the image`() throws {
    let bytes = try PNG.encode(gradient(width: 20, height: 20))
    var state: UInt64 = 7
    func next(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    var refused = 0
    for _ in 0..<2000 {
      var damaged = bytes
      damaged[next(bytes.count)] ^= UInt8(1 + next(255))
      do {
        let image = try PNG.decode(damaged)
        #expect(image.width == 20 && image.height == 20)
      } catch {
        refused += 1
      }
    }
    #expect(refused > 1500)
  }

  @Test func `an absurd size is refused before memory is allocated`() throws {
    let huge = try bytes(
      base64: "iVBORw0KGgoAAAANSUhEUgABhqAAAYagCAIAAAAnMJyfAAAACUlEQVR42mMAAAABAAGxDbaTAAAAAElFTkSu"
        + "QmCC")
    let error = #expect(throws: ImageFileError.self) { try PNG.decode(huge, path: "huge.png") }
    #expect(
      error
        == .tooLarge(path: "huge.png", width: 100_000, height: 100_000, limit: PNG.pixelLimit))
  }

  @Test func `gray, sixteen-bit and palette files become RGB`() throws {
    let gray = try PNG.decode(
      bytes(
        base64:
          "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAAAAADRSSBWAAAAC0lEQVR42mM4wQUAAZ0A0zs3rfkAAAAASUVO"
          + "RK5CYII="))
    #expect(gray.pixels == [200, 200, 200, 10, 10, 10])
    let deep = try PNG.decode(
      bytes(
        base64:
          "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR42mP4/5+BAQAG/gH/KtxH9QAAAABJ"
          + "RU5ErkJggg=="))
    #expect(deep.pixels == [255, 255, 255, 0, 0, 0])
    let palette = try PNG.decode(
      bytes(
        base64:
          "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAMAAADD/I+4AAAABlBMVEUJCAfIZDJ5NaOkAAAAC0lEQVR42mNg"
          + "ZAAAAAUAAkLCRJ8AAAAASUVORK5CYII="))
    #expect(palette.pixels == [200, 100, 50, 9, 8, 7])
  }

  @Test func `the color of a transparent pixel is read as stored`() throws {
    let image = try PNG.decode(
      bytes(
        base64:
          "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAD0lEQVR42mP4n8LwHwgYABivBWDeIvavAAAA"
          + "AElFTkSuQmCC"))
    #expect(image.pixels == [255, 100, 0, 255, 255, 255])
  }

  /// The files of `Tools/fixtures/png.py`, with the value of all their pixels.
  private static let kinds = Result {
    let folder = fixture("images/png")
    let data = try Data(contentsOf: URL(filePath: folder + "/pixels.json"))
    return try JSONDecoder().decode([String: [UInt8]].self, from: data).map {
      (path: "\(folder)/\($0).png", pixel: $1)
    }.sorted { $0.path < $1.path }
  }

  @Test func `pixels of every format are read as stored`() throws {
    let kinds = try Self.kinds.get()
    #expect(kinds.count > 20)
    for (path, pixel) in kinds {
      let image = try PNG.read(path)
      #expect(image.width == 3 && image.height == 2, "\(path)")
      #expect(image.pixels == (0..<6).flatMap { _ in pixel }, "\(path)")
    }
  }

  @Test func `no damaged file of any format ends the program`() throws {
    var mutations = Mutations(seed: 13)
    for (path, _) in try Self.kinds.get() {
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      for _ in 0..<100 {
        do throws(ImageFileError) {
          let image = try PNG.decode(mutations.mutated(bytes))
          #expect(image.pixels.count == image.width * image.height * 3)
        } catch {
          #expect(!error.description.isEmpty)
        }
      }
    }
  }
}
