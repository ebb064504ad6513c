import Dashboard
import Testing

struct LetteringTests {
  @Test(arguments: [
    ("a red circle", ["a red circle"]), ("a photo of a red circle", ["a photo of a", "red circle"]),
    // A longer word is cut, and a letter of Chinese is as wide as two.
    ("incomprehensibilities", ["incomprehens", "ibilities"]), ("", []),
    ("一只在雪地里的狐狸正在奔跑", ["一只在雪地里", "的狐狸正在奔", "跑"]),
    ("one two three four five six seven eight", ["one two", "three four", "five six …"]),
  ])
  func `captions are broken into lines that fit`(text: String, lines: [String]) {
    #expect(Lettering.wrapped(text, 12, lines: 3) == lines)
  }

  @Test func `names that are too long end in an ellipsis`() {
    #expect(Lettering.shortened("counting", to: 8) == "counting")
    #expect(Lettering.shortened("complex_compositions", to: 12) == "complex_com…")
    #expect(Lettering.shortened("形状と色", to: 6) == "形状…")
  }

  @Test func `the bars begin right of the longest name`() throws {
    func left(_ name: String) throws -> Double {
      let bar = BarChart.Bar(value: 0.5)
      let text = BarChart(
        title: "t", scale: ScoreScale("shapes_strict"),
        rows: [.init(name: name, before: bar, after: bar)]
      ).picture(id: "b").rendered()
      let match = try #require(text.firstMatch(of: /<rect class="before" x="([0-9.]+)"/))
      return try #require(Double(match.output.1))
    }
    #expect(try left("counting") == 112)
    #expect(try left("complex_compositions") > 155)
    #expect(try left(String(repeating: "long", count: 40)) < 240)
  }
}
