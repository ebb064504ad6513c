import Runs
import TestSupport
import Testing

struct DocumentationTests {
  @Test func `every metric is described in the page on metrics`() throws {
    let bytes = try AtomicFile.read(repositoryFolder() + "/docs/metrics.md")
    let page = String(decoding: bytes, as: UTF8.self)
    for name in MetricName.allCases {
      #expect(page.contains("`\(name.rawValue)`"), "\(name.rawValue) is not described")
    }
  }
}
