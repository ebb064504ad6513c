import Foundation
import ImageFiles
import Rewards
import TestSupport
import Testing

/// A reader with fixed answers.
private struct StagedReader: TextReader {
  var answers: [Detection<String>]

  func read(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<String>] { answers }
}

@Suite struct OCRRewardTests {
  @Test(arguments: [
    ("OPEN LATE", 1), ("we are\nopen\nlate!", 1), ("Open L4te", 7 / 8), ("", 0),
    ("a long page about something else altogether", 0), ("pen Late", 7 / 8), ("Late", 0.5),
  ] as [(String, Double)])
  func `the score is the similarity to the quoted text, without spaces and case`(
    _ read: String, _ score: Double
  ) throws {
    let target = try #require(QuotedText(in: "a sign that says \"Open Late\" and \"more\""))
    #expect(abs(target.score(read) - score) < 1e-12)
  }

  @Test func `text is quoted by the first pair of double quotes`() {
    #expect(QuotedText(in: "a sign")?.letters == nil)
    #expect(QuotedText(in: "an inch is \"")?.letters == nil)
    #expect(QuotedText(in: "a sign that says \" \"")?.letters == nil)
    #expect(QuotedText(in: "says \"Grüße 2\" and \"x\"")?.letters == Array("grüße2"))
  }

  @Test func `a prompt without quoted text or an image that was not read has no score`()
    async throws
  {
    let reward = OCRReward(StagedReader(answers: [.seen("yes"), .unseen(reason: "took too long")]))
    let samples = ["no quotes", "say \"yes\"", "say \"yes\""].map {
      RewardSample(image: PixelBuffer(width: 1, height: 1), prompt: $0)
    }
    let scores = try await reward.score(samples)
    #expect(scores.total == [nil, 1, nil])
    #expect(scores.reasons == [0: "the prompt quotes no text", 2: "took too long"])
  }
}

/// `Tests/Fixtures/ocr`: one row a text, one column a font (`Tools/fixtures/ocr.py`).
private struct DrawnTexts: Decodable {
  let width: Int
  let height: Int
  let fonts: Int
  let texts: [String]

  static func load() throws -> (DrawnTexts, PixelBuffer) {
    let data = try Data(contentsOf: URL(filePath: fixture("ocr/texts.json")))
    return (
      try JSONDecoder().decode(DrawnTexts.self, from: data), try PNG.read(fixture("ocr/texts.png"))
    )
  }

  func tile(_ sheet: PixelBuffer, row: Int, column: Int) -> PixelBuffer {
    var tile = PixelBuffer(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width { tile[x, y] = sheet[column * width + x, row * height + y] }
    }
    return tile
  }
}

@Suite struct TesseractTests {
  private func factory(batchSize: Int = 50) -> OCRFactory {
    var factory = OCRFactory()
    factory.service.concurrency = 2
    factory.batchSize = batchSize
    return factory
  }

  @Test func `a hundred texts in five fonts are distinguished from wrong texts`() async throws {
    let (drawn, sheet) = try DrawnTexts.load()
    var samples: [RewardSample] = []
    for (row, text) in drawn.texts.enumerated() {
      for column in 0..<drawn.fonts {
        let tile = drawn.tile(sheet, row: row, column: column)
        samples.append(RewardSample(image: tile, prompt: "a sign that says \"\(text)\""))
      }
    }
    #expect(samples.count == 100)
    let read = try await TesseractReader(factory()).read(samples)
    for (index, detection) in read.enumerated() {
      guard case .seen(let found) = detection else {
        Issue.record("\(samples[index].prompt): \(detection)")
        continue
      }
      let right = try #require(QuotedText(in: samples[index].prompt)).score(found)
      #expect(right >= 0.9, "\(samples[index].prompt) was read as \(found)")
      for other in drawn.texts where other != drawn.texts[index / drawn.fonts] {
        let wrong = try #require(QuotedText(in: "\"\(other)\"")).score(found)
        #expect(wrong <= 0.5, "\(other) scores \(wrong) for \(samples[index].prompt)")
      }
    }
  }

  @Test func `an image without text is read as empty, and the order is kept`() async throws {
    let (drawn, sheet) = try DrawnTexts.load()
    let blank = PixelBuffer(width: 64, height: 64, red: 255, green: 255, blue: 255)
    let text = drawn.tile(sheet, row: 0, column: 0)
    let images = [blank, text, blank, blank, text].map { RewardSample(image: $0, prompt: "") }
    let reward = try factory(batchSize: 2).makeReward()
    let scores = try await reward.score(
      images.map { RewardSample(image: $0.image, prompt: "says \"\(drawn.texts[0])\"") })
    #expect(scores.total == [0, 1, 0, 0, 1])
  }

  @Test func `the programs of all calls together stay within concurrency`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tempflow-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // In place of tesseract: a program that notes its beginning and its end.
    let script = folder.appending(path: "tesseract")
    try Data(
      """
      #!/bin/sh
      echo 1 >> \(folder.path)/log
      sleep 0.1
      echo -1 >> \(folder.path)/log
      printf 'text\\f'
      """.utf8
    ).write(to: script)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
    let path = ProcessInfo.processInfo.environment["PATH", default: ""]
    setenv("PATH", "\(folder.path):\(path)", 1)
    let reader = try TesseractReader(factory(batchSize: 1))
    setenv("PATH", path, 1)
    let blank = PixelBuffer(width: 8, height: 8, red: 255, green: 255, blue: 255)
    let samples = (0..<3).map { _ in RewardSample(image: blank, prompt: "") }
    let read = try await withThrowingTaskGroup(of: [Detection<String>].self) { group in
      for _ in 0..<3 { group.addTask { try await reader.read(samples) } }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(read == Array(repeating: .seen("text"), count: 9))
    let log = try String(contentsOf: folder.appending(path: "log"), encoding: .utf8)
    let running = log.split(separator: "\n").compactMap { Int($0) }
      .reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    #expect(running.count == 19 && running.max() == 2)
    try FileManager.default.removeItem(at: folder)
  }

  @Test func `a program that takes too long is killed, and one that fails has its own reason`()
    async throws
  {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tempflow-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (program, arguments, expected) in [
      ("/bin/sleep", ["600"], "took too long"), ("/bin/false", [], "failed with status 1"),
      ("/no/such/program", [], "could not be started"),
      ("/bin/sh", ["-c", "kill -9 $$"], "was ended by signal 9"),
    ] {
      let timeout = program == "/bin/sleep" ? 0.2 : 60
      let outcome = await OneShotProcess(program, arguments).run(in: folder, timeout: timeout)
      guard case .failure(let failure) = outcome else {
        Issue.record("\(program) succeeded")
        continue
      }
      #expect(failure.reason.hasPrefix(expected))
    }
    #expect(
      try await OneShotProcess("/bin/echo", ["read"]).run(in: folder, timeout: 60).get()
        == "read\n")
    try FileManager.default.removeItem(at: folder)
  }
}
