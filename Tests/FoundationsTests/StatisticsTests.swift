import Foundations
import Testing

@Suite struct StatisticsTests {
  @Test func `mean, deviation and standard error follow from the values`() {
    let statistics = Statistics([2, 4, 4, 4, 5, 5, 7, 9])
    #expect(statistics.count == 8)
    #expect(statistics.mean == 5)
    #expect(statistics.deviation == 2)
    #expect(statistics.standardError == (32.0 / 7 / 8).squareRoot())
  }

  @Test func `too few values have no mean, deviation or standard error`() {
    let none = Statistics([Double]())
    #expect(none.count == 0 && none.mean == nil)
    #expect(none.deviation == nil && none.standardError == nil)
    let one = Statistics([3.5])
    #expect(one.mean == 3.5 && one.deviation == 0 && one.standardError == nil)
  }

  @Test func `missing values are left out`() {
    #expect(Statistics([nil, 1, nil, 3] as [Double?]) == Statistics([1, 3]))
    #expect(Statistics([nil, nil] as [Double?]).mean == nil)
  }

  @Test func `equal values have a deviation of exactly 0`() {
    // The mean of three tenths is one last bit above a tenth.
    let statistics = Statistics([0.1, 0.1, 0.1])
    #expect(statistics.mean != 0.1)
    #expect(statistics.deviation == 0 && statistics.standardError == 0)
  }
}
