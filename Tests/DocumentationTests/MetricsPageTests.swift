import Runs
import Testing

@Suite struct MetricsPageTests {
  @Test func `the page on metrics describes every metric and no other`() throws {
    let page = try Page("docs/metrics.md")
    let described = page.rows(header: "name").flatMap { Page.code($0[0]) }
    let perReward = ["reward_mean.NAME", "reward_std.NAME", "part_mean.NAME.PART"]
    // Every line has these two, which the text above the tables describes.
    let common = [MetricName.kind, .epoch].map(\.rawValue)
    #expect(
      Set(described).subtracting(perReward)
        == Set(MetricName.allCases.map(\.rawValue)).subtracting(common))
    for name in common { #expect(page.text.contains("`\(name)`")) }
  }
}
