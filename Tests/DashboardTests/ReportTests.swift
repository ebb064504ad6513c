import Dashboard
import Foundation
import Foundations
import ImageFiles
import Runs
import Testing

struct ReportTests {
  private func page(_ folder: String) throws -> String {
    try String(contentsOfFile: folder + "/report.html", encoding: .utf8)
  }

  @Test func `a value that is missing leaves a gap`() {
    let points = [1, .nan, 2, 3].enumerated().map {
      LineChart.Point(x: Double($0.offset), y: $0.element)
    }
    let text = LineChart(title: "t", xLabel: "x", yLabel: "y", series: [.init("a", points)])
      .figure(id: "c").rendered()
    #expect(text.matches(of: /<polyline/).count == 1 && text.contains("class=\"dot\""))
    #expect(!text.lowercased().contains("nan") && text.contains("<td>–</td>"))
  }

  @Test func `a band of deviations has the gaps of its curve`() {
    let points = [1, 2, .nan, 3, 4].enumerated().map {
      LineChart.Point(x: Double($0.offset), y: $0.element, error: 0.5)
    }
    let text = LineChart(
      title: "t", xLabel: "x", yLabel: "y", series: [.init("a", points, errors: .band)]
    ).picture(id: "c").rendered()
    #expect(text.matches(of: /<polygon/).count == 2 && text.matches(of: /<polyline/).count == 2)
  }

  @Test func `each reward has charts of its own, with six curves at most`() throws {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      run.httpParts = 8
      try run.write()
      _ = try Report.write(run: folder)
      let page = try page(folder)
      for title in ["Parts of shapes", "Parts of http (1)", "Parts of http (2)"] {
        #expect(page.contains("<figcaption>\(title)</figcaption>"), "\(title)")
      }
      #expect(page.contains("http.part7") && !page.contains("Parts of http (3)"))
    }
  }

  @Test func `the headline has the epoch of its second figure`() throws {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      try run.write()
      _ = try Report.write(run: folder)
      #expect(try !page(folder).contains(", after 40 epochs"))
      run.evaluations = [0, 20]
      for log in ["metrics", "timings"] {
        try FileManager.default.removeItem(atPath: "\(folder)/\(log).jsonl")
      }
      try run.writeLogs()
      _ = try Report.write(run: folder)
      #expect(try page(folder).contains("</b>; standard errors ±2.2 and ±2.2, after 20 epochs<"))
    }
  }

  @Test func `the page of a finished run is self-contained`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder + "/demo")
      try run.write()
      let outcome = try Report.write(run: run.path)
      let page = try page(run.path)
      #expect(outcome.report == run.path + "/report.html")
      #expect(outcome.bytes == page.utf8.count)
      #expect(outcome.finished && outcome.missing.isEmpty && outcome.epochs == 40)
      #expect(outcome.before == run.scores(at: 0).overall.mean)
      #expect(outcome.after == run.scores(at: 40).overall.mean)
      // Every link is an anchor of the page or a data URI.
      for attribute in page.matches(of: /(?:src|href)="([^"]*)"/) {
        let target = attribute.output.1
        #expect(target.hasPrefix("data:image/png;base64,") || target.hasPrefix("#"))
      }
      #expect(!page.contains("<script") && !page.contains("@import") && !page.contains("url("))
      let words = page.replacing(/data:[^"]*/, with: "")
      #expect(!words.contains("nan") && !words.contains("inf") && !words.contains("Optional("))
      #expect(page.contains("38.2 → 56.6 %") && page.contains("+18.4 points"))
      #expect(page.contains("shapes_strict on 500 held-out prompts"))
      #expect(page.contains("clip range 0.03") && page.contains("learning_rate: 0.0001"))
    }
  }

  @Test func `an edit shows its source, before and after, and a lost grid leaves it out`() throws {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      run.hasSources = true
      try run.write()
      _ = try Report.write(run: folder)
      let shown = try page(folder)
      #expect(shown.matches(of: /alt="[^"]*, source image"/).count == 25)
      #expect(shown.contains("class=\"triple\"") && shown.contains("Left the source image"))
      try FileManager.default.removeItem(atPath: "\(folder)/samples/sources.png")
      _ = try Report.write(run: folder)
      #expect(try page(folder).contains("class=\"pair\""))
      try PNG.write(PixelBuffer(width: 8, height: 8), to: "\(folder)/samples/sources.png")
      let error = #expect(throws: ReportError.self) { try Report.write(run: folder) }
      #expect("\(try #require(error))".contains("sources.png"))
    }
  }

  @Test(arguments: [false, true])
  func `tags on the page open and close in order`(hasSources: Bool) throws {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      run.hasSources = hasSources
      try run.write()
      _ = try Report.write(run: folder)
      var open: [Substring] = []
      for tag in try page(folder).matches(of: /<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*?)(\/?)>/) {
        let (_, closing, name, _, own) = tag.output
        if !own.isEmpty || name == "meta" { continue }
        if closing.isEmpty {
          open.append(name)
        } else {
          #expect(open.popLast() == name)
        }
      }
      #expect(open.isEmpty)
    }
  }

  @Test func `every picture has a title and a description of its own`() throws {
    try withTemporaryFolder { folder in
      try SyntheticRun(folder).write()
      _ = try Report.write(run: folder)
      let page = try page(folder)
      let labels = page.matches(of: /role="img" aria-labelledby="(\S+) (\S+)"/).map(\.output)
      #expect(labels.count >= 10)
      for (_, title, description) in labels {
        #expect(page.contains("<title id=\"\(title)\">"))
        #expect(page.contains("<desc id=\"\(description)\">"))
      }
      let ids = page.matches(of: /\sid="([^"]*)"/).map { String($0.output.1) }
      #expect(Set(ids).count == ids.count)
      for image in page.matches(of: /<img ((?:"[^"]*"|[^">])*)>/) {
        #expect(image.output.1.contains("alt=\""))
      }
    }
  }

  @Test func `samples pair up by prompt and seed, with their verdicts`() throws {
    try withTemporaryFolder { folder in
      try SyntheticRun(folder).write()
      _ = try Report.write(run: folder)
      let page = try page(folder)
      #expect(page.matches(of: /<img\s/).count == 48)
      #expect(page.contains("a photo of three yellow circles, before training, not as asked"))
      #expect(page.contains("a photo of three yellow circles, after training, as asked"))
      #expect(page.contains("Of these 24, 14 passed before and 20 after."))
    }
  }

  @Test func `held-out rewards stand beside the trained one, and missing scores are counted`()
    throws
  {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      try run.write()
      _ = try Report.write(run: folder)
      let plain = try page(folder)
      #expect(!plain.contains("Held-out: ") && !plain.contains("Missing scores; their images"))
      try FileManager.default.removeItem(atPath: folder + "/metrics.jsonl")
      try FileManager.default.removeItem(atPath: folder + "/timings.jsonl")
      run.hasTrouble = true
      try run.writeLogs()
      _ = try Report.write(run: folder)
      let page = try page(folder)
      #expect(page.contains("Held-out: ocr") && page.contains("Trained reward"))
      #expect(
        page.contains("Alarm: ocr fell while the trained reward rose, first noted at epoch 20."))
      #expect(page.contains("shapes: timed out") && page.contains(">120<"))
      #expect(page.contains("Images without a reward"))
    }
  }

  @Test func `an evaluation without scores is shown as such and is no point of a curve`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder)
      try run.writeRecipe()
      let log = try MetricsLog(folder + "/metrics.jsonl", content: .metrics)
      for (epoch, scores) in [(0, TaggedScores([])), (10, run.scores(at: 10))] {
        try log.append([
          .init(.evaluation), .init(.epoch, .int(epoch)), .init(.reward, "ocr"),
          .init(.count, .int(scores.overall.count)),
          .init(.mean, JSONValue(scores.overall)["mean"] ?? .null),
          .init(.tags, JSONValue(tags: scores.tags)),
        ])
      }
      let outcome = try Report.write(run: folder)
      #expect(outcome.before == nil && outcome.after == run.scores(at: 10).overall.mean)
      let page = try page(folder)
      #expect(page.contains("not scored → "))
      #expect(page.contains("an evaluation without a single score"))
      #expect(!page.contains("0.0 → ") && !page.contains("all: before 0"))
      let error = #expect(throws: ReportError.self) { try Comparison.read([folder]) }
      #expect(error?.description.contains("has no score in its first or last") == true)
    }
  }

  @Test func `hostile prompts and recipes stay text`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder)
      try run.write()
      let hostile = "\"><script>alert(1)</script>&<b>"
      var tree = try SyntheticImages.tree(in: folder + "/tree")
      tree.prompt = hostile
      try JSONEncoder().encode(tree).write(to: URL(filePath: folder + "/tree/tree.json"))
      try AtomicFile.write("model: </pre>\(hostile)\n", to: folder + "/recipe.yaml")
      _ = try Report.write(run: folder)
      let page = try page(folder)
      #expect(!page.contains("<script") && !page.contains("<b>\n<script"))
      #expect(page.contains("&lt;/pre&gt;&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;"))
    }
  }

  @Test func `the page of a run that has just begun says what is missing`() throws {
    try withTemporaryFolder { folder in
      try SyntheticRun(folder).writeRecipe()
      let outcome = try Report.write(run: folder)
      #expect(!outcome.finished && outcome.before == nil && outcome.after == nil)
      #expect(outcome.missing == ["evaluations", "samples", "tree", "timings", "summary"])
      let page = try page(folder)
      for sentence in [
        "This run has not ended yet", "not measured yet", "No epoch has been completed yet.",
        "No sample grid has been written yet.", "No branch tree has been recorded",
        "No times have been recorded yet.", "The machine is recorded when the run ends.",
      ] {
        #expect(page.contains(sentence))
      }
    }
  }

  @Test func `the page of a live run with a torn last line shows the whole lines`() throws {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      run.epochs = 5
      run.evaluations = [0]
      try run.writeRecipe()
      try run.writeLogs()
      try run.writeSamples("before", epoch: 0, quality: 0.5)
      let log = folder + "/metrics.jsonl"
      try AtomicFile.write(try AtomicFile.read(log).dropLast(40), to: log)
      let outcome = try Report.write(run: folder)
      #expect(outcome.epochs == 4 && outcome.after == nil)
      let page = try page(folder)
      #expect(page.contains("4 epochs are recorded") && page.contains("no image after"))
      #expect(page.contains("no later evaluation yet"))
    }
  }

  @Test(arguments: [
    ("{\"kind\":\"epoch\",\"epoch\":3,", "metrics.jsonl:3: "),
    ("[1]", "metrics.jsonl:3: not a JSON object"),
    ("{\"epoch\":3}", "metrics.jsonl:3: \"kind\" should be a text"),
    ("{\"kind\":\"epoch\",\"epoch\":-1}", "metrics.jsonl:3: \"epoch\" should be"),
    ("{\"kind\":\"epoch\",\"epoch\":3,\"kl\":\"x\"}", "metrics.jsonl:3: \"kl\" should be a number"),
    ("{\"kind\":\"evaluation\",\"epoch\":3,\"reward\":\"r\",\"mean\":1}", "\"count\" should be"),
  ])
  func `a damaged line is named by file and number`(damage: String, message: String) throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder)
      try run.writeRecipe()
      try run.writeLogs()
      let log = folder + "/metrics.jsonl"
      var lines = String(decoding: try AtomicFile.read(log), as: UTF8.self)
        .split(separator: "\n").map(String.init)
      lines[2] = damage
      try AtomicFile.write(lines.joined(separator: "\n") + "\n", to: log)
      let error = #expect(throws: ReportError.self) { try Report.write(run: folder) }
      #expect(error?.description.contains(message) == true, "\(String(describing: error))")
      #expect(error?.description.contains(folder) == true)
    }
  }

  @Test func `damaged records and images are named`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder)
      try run.write()
      for (file, content, message) in [
        ("tree/tree.json", "{\"epoch\":1}", "\"prompt\" is missing"),
        ("samples/after.json", "{", "not valid JSON"),
        ("samples/after.png", "no image", "not a valid PNG"),
        ("tree/step-0-branch-1.png", "", "not a valid PNG"),
        ("summary.json", "{}", "summary.json:1"),
      ] {
        let path = "\(folder)/\(file)"
        let sound = try AtomicFile.read(path)
        try AtomicFile.write(content, to: path)
        let error = #expect(throws: ReportError.self) { try Report.write(run: folder) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
        #expect(error?.description.contains(file) == true)
        try AtomicFile.write(sound, to: path)
      }
      _ = try Report.write(run: folder)
    }
  }

  @Test func `the times of every process are those of the last number of processes`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder)
      try run.write()
      let path = folder + "/timings.jsonl"
      let parts = ["rollout", "decode", "reward", "update", "epoch"]
      var epoch = 0
      let lines = String(decoding: try AtomicFile.read(path), as: UTF8.self).split(separator: "\n")
      let text = lines.map { line in
        guard line.contains(#""kind":"epoch""#) else { return line + "\n" }
        epoch += 1
        // Three processes at first, then two, of which the second takes 4 s on average.
        let seconds = epoch <= 6 ? "[9,9,9]" : "[2,\(epoch % 2 == 0 ? 3 : 5)]"
        let lists = parts.map { #","rank_\#($0)_seconds":\#(seconds)"# }.joined()
        return line.dropLast() + lists + "}\n"
      }.joined()
      try AtomicFile.write(text, to: path)
      _ = try Report.write(run: folder)
      let page = String(decoding: try AtomicFile.read(folder + "/report.html"), as: UTF8.self)
      let table = try #require(
        page.firstMatch(
          of: /<h3>Processes<\/h3>(?<table>.*?)<\/table>(?<note>.*?)<\/p>/
            .dotMatchesNewlines()))
      let cells = table.table.matches(of: /<t[dh][^>]*>([^<]*)</).map { String($0.output.1) }
      let rows = [("0", "2.00 s"), ("1", "4.00 s")]
      let expected = rows.flatMap { rank, seconds in
        [rank] + Array(repeating: seconds, count: parts.count)
      }
      #expect(Array(cells.suffix(expected.count)) == expected)
      #expect(table.note.contains("means over \(epoch - 6) epochs"))

      try AtomicFile.write(
        text.replacing(#""rank_decode_seconds":[9,9,9]"#, with: #""rank_decode_seconds":[9]"#),
        to: path)
      #expect(throws: ReportError.self) { try Report.write(run: folder) }
    }
  }

  @Test func `a folder without a run is refused`() throws {
    try withTemporaryFolder { folder in
      let error = #expect(throws: ReportError.self) { try Report.write(run: folder) }
      #expect(error?.description.contains("There is no run in \(folder)") == true)
    }
  }
}
