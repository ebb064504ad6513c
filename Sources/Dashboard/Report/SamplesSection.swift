import Runs

/// Images of the same prompts and seeds before and after training, side by side.
struct SamplesSection {
  let before: SampleTiles?
  let after: SampleTiles?

  func markup() -> Markup {
    guard let sheet = (after ?? before)?.sheet else {
      return element("p", ["class": "notice"]) { "No sample grid has been written yet." }
    }
    return .fragment([
      element("p", ["class": "quiet"]) {
        hasSources
          ? "Left the source image, then before training, right after "
          : "Left before training, right after "
        after.map { "\($0.sheet.epoch) epochs" } ?? "training (not yet there)"
        ", from the same prompt and the same initial noise. ✓ passes by the reward's verdict, "
        "✗ does not. "
        verdicts() ?? ""
      },
      element("ul", ["class": sheet.hasSmallTiles ? "samples" : "samples large"]) {
        for index in sheet.samples.indices { item(index, sheet.samples[index]) }
      },
    ])
  }

  private var hasSources: Bool { (after ?? before)?.sources.isEmpty == false }

  /// Counts of passed samples before and after, of those with both verdicts; nil when the reward
  /// has none.
  private func verdicts() -> String? {
    guard let before, let after else { return nil }
    let pairs = zip(before.sheet.samples, after.sheet.samples).compactMap { first, last in
      first.passed.flatMap { before in last.passed.map { (before: before, after: $0) } }
    }
    guard !pairs.isEmpty else { return nil }
    let passed = (pairs.count(where: \.before), pairs.count(where: \.after))
    return "Of these \(pairs.count), \(passed.0) passed before and \(passed.1) after."
  }

  private func item(_ index: Int, _ sample: SampleSheet.Sample) -> Markup {
    element("li") {
      element("div", ["class": hasSources ? "triple" : "pair"]) {
        if let source = source(index, sample) { source }
        half(before, index, sample, when: "before")
        half(after, index, sample, when: "after")
      }
      element("p") { sample.prompt }
    }
  }

  /// The source image of an edit.
  private func source(_ index: Int, _ sample: SampleSheet.Sample) -> Markup? {
    guard let tiles = after ?? before, tiles.sources.indices.contains(index) else { return nil }
    return element("div") {
      image(tiles.sources[index], "\(sample.prompt), source image", tiles.sheet)
      element("div", ["class": "mark"]) { element("span") { "source" } }
    }
  }

  private func image(_ link: String, _ description: String, _ sheet: SampleSheet) -> Markup {
    element(
      "img",
      [
        "src": link, "alt": description, "width": "\(sheet.tileWidth)",
        "height": "\(sheet.tileHeight)",
      ])
  }

  /// One image with its verdict. A tile of another prompt or seed is left out.
  private func half(
    _ tiles: SampleTiles?, _ index: Int, _ wanted: SampleSheet.Sample, when: String
  ) -> Markup {
    guard let tiles, tiles.links.indices.contains(index),
      tiles.sheet.samples[index].prompt == wanted.prompt,
      tiles.sheet.samples[index].seed == wanted.seed
    else {
      return element("div") { element("div", ["class": "absent"]) { "no image \(when)" } }
    }
    let sample = tiles.sheet.samples[index]
    let verdict = sample.passed.map { $0 ? ", as asked" : ", not as asked" } ?? ""
    return element("div") {
      image(
        tiles.links[index], "\(sample.prompt), \(when) training\(verdict)", tiles.sheet)
      element("div", ["class": "mark"]) {
        element("span") { sample.reward.map { Figures.fixed($0, 3) } ?? "" }
        if let passed = sample.passed {
          element("b", ["class": passed ? "good" : "bad"]) { passed ? "✓" : "✗" }
        }
      }
    }
  }
}
