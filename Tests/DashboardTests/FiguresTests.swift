import Dashboard
import Testing

struct FiguresTests {
  @Test(arguments: [
    (0.042, "0.04 s"), (12.34, "12.3 s"), (59.97, "1 min 00 s"), (245, "4 min 05 s"),
    (3_720, "1 h 02 min"), (-1, "-1.0 s"),
  ])
  func `durations are written in seconds, minutes and hours`(seconds: Double, text: String) {
    #expect(Figures.duration(seconds) == text)
  }

  @Test(arguments: [
    (0.0, "0"), (0.3951, "0.395"), (12.345, "12.3"), (123.4, "123"), (1234.0, "1234"),
    (0.000_012_3, "1.23e-05"), (123_456, "1.23e+05"), (-0.5, "-0.500"),
  ])
  func `short numbers keep three digits`(value: Double, text: String) {
    #expect(Figures.short(value) == text)
  }

  @Test func `thousands are set apart`() {
    #expect(Figures.count(23_040) == "23\u{202F}040")
    #expect(Figures.count(-1_234_567) == "-1\u{202F}234\u{202F}567")
    #expect(Figures.count(12) == "12")
  }
}
