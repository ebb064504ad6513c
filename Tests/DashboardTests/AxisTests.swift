import Dashboard
import Testing

struct AxisTests {
  @Test func `a linear axis ends at round numbers and holds its values`() {
    let axis = Axis(covering: [0.395, 0.612])
    #expect(axis.range.lowerBound <= 0.395 && axis.range.upperBound >= 0.612)
    #expect(axis.ticks.map(axis.label) == ["0.35", "0.40", "0.45", "0.50", "0.55", "0.60", "0.65"])
    #expect(axis.position(of: axis.range.lowerBound) == 0)
    #expect(axis.position(of: axis.range.upperBound) == 1)
  }

  @Test(arguments: [
    ([2e-6, 2.2e-5], ["0", "5e-6", "1.0e-5", "1.5e-5", "2.0e-5", "2.5e-5"]),
    (
      [1e-4, 1.06e-4],
      ["1.00e-4", "1.02e-4", "1.04e-4", "1.06e-4"]
    ),
    ([-2e-6, 0], ["-2.0e-6", "-1.5e-6", "-1.0e-6", "-5e-7", "0"]),
  ])
  func `labels of small numbers differ as their ticks do`(values: [Double], labels: [String]) {
    let axis = Axis(covering: values)
    #expect(axis.ticks.map(axis.label) == labels)
  }

  @Test func `a tight axis ends where its values end`() {
    let axis = Axis(covering: [0, 3.2, 8.3], wantedTicks: 6, tight: true)
    #expect(axis.range == 0...8.3)
    #expect(axis.ticks == [0, 2, 4, 6, 8])
    #expect(axis.position(of: 8.3) == 1)
  }

  @Test func `an axis that counts has no ticks between whole numbers`() {
    #expect(Axis(covering: [0, 1], wantedTicks: 6, leastStep: 1).ticks == [0, 1])
    #expect(Axis(covering: [0, 3], wantedTicks: 6, leastStep: 1).ticks == [0, 1, 2, 3])
    #expect(Axis(covering: [0], wantedTicks: 6, leastStep: 1).ticks == [0, 1])
  }

  @Test func `a logarithmic axis counts in powers of ten`() {
    let axis = Axis(covering: [2e-6, 3e-3, 0, -1], scale: .logarithmic)
    #expect(axis.ticks.map(axis.label) == ["1e-6", "1e-5", "1e-4", "1e-3", "0.01"])
    #expect(axis.position(of: 0) == nil)
    #expect(abs(axis.position(of: 1e-4)! - 0.5) < 1e-9)
  }

  @Test(arguments: [
    [], [Double.nan], [0.0], [5.0, 5.0], [-3.0], [1e-300], [1e300, -1e300], [1, 1 + 1e-15],
    [.infinity, 1, 2],
  ])
  func `any values give a usable axis`(values: [Double]) {
    for (scale, tight) in [(Axis.Scale.linear, false), (.logarithmic, false), (.linear, true)] {
      let axis = Axis(covering: values, scale: scale, tight: tight)
      #expect(axis.range.lowerBound < axis.range.upperBound)
      #expect((tight ? 0...14 : 2...14).contains(axis.ticks.count))
      #expect(axis.position(of: .nan) == nil)
    }
  }
}
