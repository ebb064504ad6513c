import Foundation
import ImageFiles
import TestSupport
import Testing

@Suite struct ScoreCommandTests {
  /// Two images and a prompt for each, in a folder of their own.
  private func withImages(
    prompts: String = "flat\nbusy\n", _ body: (String, [String]) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      let images = "\(folder)/images"
      try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
      var busy = PixelBuffer(width: 32, height: 32)
      for index in busy.pixels.indices { busy.pixels[index] = UInt8(index * index % 251) }
      try PNG.write(busy, to: "\(images)/b.png")
      try PNG.write(PixelBuffer(width: 32, height: 32), to: "\(images)/a.png")
      try Data("not an image".utf8).write(to: URL(filePath: "\(images)/notes.txt"))
      let file = "\(folder)/prompts.txt"
      try Data(prompts.utf8).write(to: URL(filePath: file))
      try body(folder, ["--images", images, "--prompts", file])
    }
  }

  @Test func `each image has its line, in the order of names, and its place in the object`()
    throws
  {
    try withImages { _, arguments in
      let start = ["score", "--reward", "jpeg_incompressibility"] + arguments
      let lines = try tempflow(start)
      #expect(lines.status == 0, "\(lines.errors)")
      let rows = lines.output.split(separator: "\n").map(String.init)
      #expect(rows[0].contains("jpeg_incompressibility  image  prompt"))
      #expect(rows[1].hasSuffix("a.png  flat"))
      #expect(rows[2].hasSuffix("b.png  busy"))
      #expect(lines.output.contains("overall  0.0"))
      let object = try tempflow(start + ["--json"]).json
      let images = try #require(object["images"] as? [[String: Any]])
      #expect(images.map { $0["name"] as? String } == ["a.png", "b.png"])
      let scores = images.compactMap { $0["score"] as? Double }
      #expect(scores.count == 2 && scores[0] < scores[1])
      #expect(object["missing"] as? Int == 0)
    }
  }

  @Test func `what could not be scored is shown with its reason and is null`() throws {
    try withImages(prompts: "no text is quoted\nsays \"yes\"\n") { _, arguments in
      let start =
        ["score", "--reward", "ocr", "--set", "timeout=300", "--max-missing-scores", "0.5"] + arguments
      let lines = try tempflow(start)
      #expect(lines.status == 0, "\(lines.errors)")
      #expect(lines.output.contains("-  a.png  no text is quoted  (the prompt quotes no text)"))
      #expect(
        lines.output.contains("1 of 2 could not be scored (the prompt quotes no text: 1)"))
      let object = try tempflow(start + ["--json"]).json
      #expect(object["missing"] as? Int == 1)
      let images = try #require(object["images"] as? [[String: Any]])
      #expect(images[0]["score"] is NSNull)
      #expect(images[0]["reason"] as? String == "the prompt quotes no text")
      let reasons = object["missing_reasons"] as? [String: Int]
      #expect(reasons == ["the prompt quotes no text": 1])
    }
  }

  @Test func `more missing scores than allowed fail the command, which prints what it has`()
    throws
  {
    try withImages { _, arguments in
      // Nothing listens on port 9 of this machine.
      let start =
        ["score", "--reward", "http", "--set", "urls=[\"http://127.0.0.1:9\"]", "--set",
         "outage_timeout=0"] + arguments
      let lines = try tempflow(start)
      #expect(lines.status == 1)
      #expect(!lines.output.contains("overall") && !lines.output.contains("0.000"))
      #expect(lines.output.contains("2 of 2 could not be scored (unreachable: 2)"))
      #expect(
        lines.errors.contains(
          "2 of 2 scores of http are missing (unreachable: 2), "
            + "and --max-missing-scores allows 0.1"),
        "\(lines.errors)")
      let object = try tempflow(start + ["--max-missing-scores", "1", "--json"])
      #expect(object.status == 0)
      #expect(try object.json["scores"] == nil)
      #expect(try object.json["missing_reasons"] as? [String: Int] == ["unreachable": 2])
      let beyond = try tempflow(start + ["--max-missing-scores", "1.5"])
      #expect(beyond.status == 64 && beyond.errors.contains("--max-missing-scores must be in 0 ... 1"))
    }
  }

  @Test func `a line's metadata reaches the reward, and parts and tags are reported`() throws {
    let line =
      #"{"tag": "counting", "include": [{"class": "ring", "count": 1}], "prompt": "a ring"}"#
    try withTemporaryFolder { folder in
      try PNG.write(PixelBuffer(width: 32, height: 32), to: "\(folder)/0.png")
      try Data(line.utf8).write(to: URL(filePath: "\(folder)/prompts.jsonl"))
      let object = try tempflow(
        "score", "--reward", "geneval", "--images", folder, "--prompts", "\(folder)/prompts.jsonl",
        "--set", "mode=strict", "--json"
      ).json
      let image = try #require((object["images"] as? [[String: Any]])?.first)
      #expect(image["tag"] as? String == "counting")
      #expect(
        (image["parts"] as? [String: Double])?.keys.sorted() == ["official", "partial", "strict"])
      let tags = (object["scores"] as? [String: Any])?["tags"] as? [String: Any]
      #expect(tags?.keys.sorted() == ["counting"])
    }
  }

  @Test func `counts that differ, an image that cannot be read and an empty folder are refused`()
    throws
  {
    try withImages(prompts: "only one\n") { folder, arguments in
      let start = ["score", "--reward", "jpeg_compressibility"]
      let counts = try tempflow(start + arguments)
      #expect(counts.status == 64)
      #expect(counts.errors.contains("images holds 2 images and "), "\(counts.errors)")
      #expect(counts.errors.contains("prompts.txt 1 prompts; each image needs its own"))
      try Data("no PNG".utf8).write(to: URL(filePath: "\(folder)/images/a.png"))
      let damaged = try tempflow(start + arguments)
      #expect(damaged.status == 1)
      #expect(damaged.errors.contains("images/a.png"), "\(damaged.errors)")
      let empty = try tempflow(
        start + ["--images", "Sources", "--prompts", "\(folder)/prompts.txt"])
      #expect(empty.status == 1)
      #expect(empty.errors.contains("Sources: holds no .png file"), "\(empty.errors)")
    }
  }

  @Test func `a setting that the reward does not use, or a faulty one, is refused`() throws {
    try withImages { _, arguments in
      let start = ["score", "--reward", "shapes"] + arguments
      let url = try tempflow(start + ["--set", "urls=[\"http://a\"]"])
      #expect(url.status == 1)
      #expect(url.errors.contains("unknown key \"urls\""), "\(url.errors)")
      let model = try tempflow(start + ["--reward-model", "weights"])
      #expect(model.errors.contains("unknown key \"model\""), "\(model.errors)")
      let mode = try tempflow(start + ["--set", "mode=exact"])
      #expect(mode.errors.contains("\"exact\" is not one of partial, strict"))
      let name = try tempflow(["score", "--reward", "shape"] + arguments)
      #expect(name.errors.contains("no reward is named \"shape\""), "\(name.errors)")
    }
  }
}
