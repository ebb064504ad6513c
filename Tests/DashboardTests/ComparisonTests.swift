import Dashboard
import Foundation
import Foundations
import Runs
import Testing

struct ComparisonTests {
  private func run(_ name: String, _ points: [(Double, Double)]) -> MeasuredRun {
    MeasuredRun(
      method: MeasuredRun.method(of: name), name: name,
      points: points.map { .init(seconds: $0.0, score: $0.1) }, epochs: 10, prompts: 500)
  }

  @Test(arguments: [
    ("flow-grpo-seed-1", "flow-grpo"), ("flow-grpo-seed12", "flow-grpo"), ("weights-3", "weights"),
    ("demo", "demo"), ("v2", "v2"), ("-7", "-7"), ("a-1-2", "a-1"),
  ])
  func `the method is the name without its seed`(name: String, method: String) {
    #expect(MeasuredRun.method(of: name) == method)
  }

  @Test func `accuracy is interpolated between evaluations and nil outside them`() {
    let measured = run("a", [(0, 0.4), (100, 0.5), (200, 0.6)])
    #expect(measured.score(at: 0) == 0.4)
    #expect(abs(measured.score(at: 150)! - 0.55) < 1e-12)
    #expect(measured.score(at: 200) == 0.6)
    #expect(measured.score(at: 201) == nil)
    #expect(measured.score(at: -1) == nil)
  }

  @Test func `methods are compared up to the time that every run reached`() {
    let comparison = Comparison(
      runs: [
        run("flow-grpo-seed-1", [(0, 0.40), (60, 0.44), (120, 0.46)]),
        run("tempflow-grpo-seed-1", [(0, 0.40), (60, 0.50), (120, 0.56)]),
        run("flow-grpo-seed-2", [(0, 0.40), (50, 0.46), (100, 0.48)]),
        run("tempflow-grpo-seed-2", [(0, 0.40), (60, 0.48), (120, 0.54)]),
      ], scale: ScoreScale("shapes_strict"), labels: ["tempflow-grpo": "TempFlow-GRPO"])
    #expect(comparison.budget == 100)
    #expect(comparison.methods.map(\.label) == ["flow-grpo", "TempFlow-GRPO"])
    #expect(comparison.methods.map(\.runs.count) == [2, 2])
    let chart = comparison.chart()
    #expect(chart.series.allSatisfy { $0.points.count == 13 })
    #expect(chart.series[0].points.last?.x == 100)
    #expect(abs(chart.series[0].points[0].y - 40) < 1e-12)
    #expect(chart.yLabel == "accuracy, %")
    let page = comparison.page(chartName: "compare.svg", details: ["2 cores"])
    #expect(
      page.contains("| TempFlow-GRPO | 2 | 0.400 ± 0.000 | 0.530 ± 0.010 | +0.130 ± 0.010 |"))
    #expect(page.contains("| method | seeds | before | after 1 min 40 s | gain |"))
    #expect(
      page.contains(
        "After 1 min 40 s of training TempFlow-GRPO has gained 0.063 ± 0.017 more than flow-grpo."))
    #expect(page.contains("![Held-out accuracy over training time](compare.svg)"))
    #expect(comparison.chartFile().hasPrefix("<svg class=\"picture\" viewBox="))
    #expect(comparison.chartFile().contains("xmlns=\"http://www.w3.org/2000/svg\""))
  }

  @Test func `the last point of a curve is at the budget, whatever its bits`() {
    // 690.008 * 12 / 12 is more than 690.008.
    for seconds in [690.008, 100, 1234.5678] {
      let chart = Comparison(
        runs: [run("a-1", [(0, 0.1), (seconds, 0.2)])], scale: ScoreScale("shapes_strict")
      ).chart()
      #expect(chart.series[0].points.count == 13)
    }
  }

  @Test func `methods of several folders have the folder's name`() throws {
    try withTemporaryFolder { folder in
      let paths = try ["a/seed-1", "a/seed-2", "b/seed-1", "b/other-1"].map { name in
        try SyntheticRun("\(folder)/\(name)").write()
        return "\(folder)/\(name)"
      }
      let comparison = try Comparison.read(paths, labels: ["b/seed": "B"]).comparison
      #expect(comparison.methods.map(\.label) == ["a/seed", "B", "other"])
      #expect(comparison.methods.map(\.runs.count) == [2, 1, 1])
      #expect(comparison.methods[0].runs.map(\.name) == ["a/seed-1", "a/seed-2"])
    }
  }

  @Test func `folders that differ in more than the seed are no seeds of one method`() throws {
    try withTemporaryFolder { folder in
      func failure(_ change: (inout SyntheticRun) -> Void) throws -> String? {
        let own = "\(folder)/\(UUID())"
        let first = SyntheticRun("\(own)/a-1")
        try first.write()
        var second = SyntheticRun("\(own)/a-2")
        change(&second)
        try second.write()
        do throws(ReportError) {
          _ = try Comparison.read([first.path, second.path])
          return nil
        } catch {
          return error.description
        }
      }
      #expect(try failure { _ in } == nil)
      // What is not part of an epoch may differ.
      #expect(try failure { $0.settings = "threads: 4\nmemory_budget: 8GB\ndevice: cuda" } == nil)
      #expect(try failure { $0.seed = 1 }?.contains("the same seed, 1, so they are one") == true)
      let other = try failure { $0.settings = "rewards:\n  - name: ocr\n    timeout: 3" }
      #expect(other?.contains("different settings (rewards.0.name: ocr and absent)") == true)
      let limit = try failure { $0.settings = "trained: {steps: [0, 1]}" }
      // A key that only one has is of another version.
      #expect(limit == nil)
    }
  }

  @Test func `a label of no method is refused, with the methods`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun("\(folder)/flow-grpo-1")
      try run.write()
      let error = #expect(throws: ReportError.self) {
        _ = try Comparison.read([run.path], labels: ["flow_grpo": "Flow-GRPO"])
      }
      #expect(
        error?.description == "--label flow_grpo: no run is of that method. "
          + "The methods are flow-grpo.")
    }
  }

  @Test func `runs without a summary are compared by their recipes`() throws {
    try withTemporaryFolder { folder in
      for (name, settings) in [("a-1", "resolution: 512"), ("b-1", "resolution: [512, 768]")] {
        var run = SyntheticRun("\(folder)/\(name)")
        run.settings = settings
        try run.writeRecipe()
        try run.writeLogs()
      }
      let error = #expect(throws: ReportError.self) {
        _ = try Comparison.read(["\(folder)/a-1", "\(folder)/b-1"])
      }
      #expect(error?.description.contains("(resolution: 512, 768 and 512)") == true)
    }
  }

  @Test func `names cannot break the table`() {
    let page = Comparison(runs: [run("a|b", [(0, 0.1)])], scale: ScoreScale("shapes_strict"))
      .page(chartName: "c.svg")
    #expect(page.contains("| a\\|b | 1 |"))
  }

  @Test func `a score that is no share has its own name and units`() {
    let runs = [run("a-1", [(0, 8.2), (100, 8.9)]), run("b-1", [(0, 8.2), (100, 9.4)])]
    let comparison = Comparison(runs: runs, scale: ScoreScale("hpsv3"))
    let chart = comparison.chart()
    #expect(chart.yLabel == "hpsv3" && chart.title == "Held-out hpsv3 at equal training time")
    #expect(abs(chart.series[1].points[12].y - 9.4) < 1e-12)
    let page = comparison.page(chartName: "c.svg")
    #expect(page.contains("Held-out hpsv3 (hpsv3) at the time that every run reached; mean"))
    #expect(!page.contains("ccuracy") && !page.contains("%"))
  }

  @Test func `run directories are read, compared and written as chart and page`() throws {
    try withTemporaryFolder { folder in
      var paths: [String] = []
      for (method, reached) in [("flow-grpo", 0.46), ("tempflow-grpo", 0.58)] {
        for seed in 1...3 {
          var run = SyntheticRun("\(folder)/\(method)-seed-\(seed)")
          run.reached = reached + 0.01 * Double(seed)
          try run.write()
          paths.append(run.path)
        }
      }
      let (comparison, details) = try Comparison.read(paths, labels: ["flow-grpo": "Flow-GRPO"])
      let outcome = try comparison.write(to: folder, details: details)
      #expect(outcome.methods.map(\.label) == ["Flow-GRPO", "tempflow-grpo"])
      #expect(outcome.methods.map(\.runs.count) == [3, 3])
      #expect(outcome.methods[1].gain > outcome.methods[0].gain)
      let json = String(decoding: try JSONEncoder().encode(outcome), as: UTF8.self)
      #expect(json.contains(#""budget_seconds":500"#) && json.contains(#""gain_error":"#))
      #expect(outcome.budgetSeconds == 500)
      let page = String(decoding: try AtomicFile.read(outcome.page), as: UTF8.self)
      #expect(page.contains("Measured: shapes_strict on 500 held-out prompts"))
      #expect(!page.contains("not finished"))
      #expect(comparison.text.split(separator: "\n").count == 4)
    }
  }

  @Test func `other contents of the prompts and other machines are told`() throws {
    try withTemporaryFolder { folder in
      let runs = ["a-1", "a-2", "b-1"].map { SyntheticRun("\(folder)/\($0)") }
      for run in runs { try run.write() }
      var summary = runs[1].summary()
      summary.evaluationProtocol.promptsDigest = "1f"
      summary.machine.device = "NVIDIA H200"
      try summary.write(to: runs[1].path + "/summary.json")
      // The first run's summary is of an earlier version.
      let details = try Comparison.read(runs.map(\.path)).details
      #expect(details[1].hasPrefix("Machines: "), "\(details)")
      #expect(details[1].contains("NVIDIA H200") && details[1].hasSuffix("may be one of machines."))
      // Two processes are another machine.
      var many = SyntheticRun("\(folder)/c-1")
      many.processes = 2
      try many.write()
      let both = try Comparison.read([runs[0].path, many.path]).details
      #expect(both[1].contains("cpu; ") && both[1].contains("cpu, 2 processes"), "\(both)")
      // One file under two names.
      summary.evaluationProtocol.prompts = "other.jsonl"
      try summary.write(to: runs[2].path + "/summary.json")
      #expect(try Comparison.read(runs[1...].map(\.path)).comparison.methods.count == 2)
      summary.evaluationProtocol.promptsDigest = "2e"
      try summary.write(to: runs[2].path + "/summary.json")
      let error = #expect(throws: ReportError.self) {
        _ = try Comparison.read(runs[1...].map(\.path))
      }
      #expect(error?.description.contains("contents of the prompts: 2e and 1f") == true)
    }
  }

  @Test func `runs that cannot be compared are refused by name`() throws {
    try withTemporaryFolder { folder in
      let first = SyntheticRun(folder + "/a-1")
      try first.write()
      let second = SyntheticRun(folder + "/a-2")
      try second.writeRecipe()
      var error = #expect(throws: ReportError.self) {
        _ = try Comparison.read([first.path, first.path])
      }
      #expect(error?.description.contains("a-1 is given twice") == true)
      error = #expect(throws: ReportError.self) { _ = try Comparison.read([second.path]) }
      let noEvaluation = "a-2 has no evaluation after training yet"
      #expect(error?.description.contains(noEvaluation) == true)
      // The first evaluation alone is none of training.
      var begun = SyntheticRun(folder + "/a-3")
      begun.evaluations = [0]
      try begun.write()
      error = #expect(throws: ReportError.self) {
        _ = try Comparison.read([first.path, begun.path])
      }
      #expect(error?.description.contains("a-3 has no evaluation after training yet") == true)
      try second.writeLogs()
      var summary = second.summary()
      summary.evaluationProtocol.steps = 40
      try summary.write(to: second.path + "/summary.json")
      error = #expect(throws: ReportError.self) {
        _ = try Comparison.read([first.path, second.path])
      }
      // A run without a summary does not hide that the others differ.
      let unfinished = SyntheticRun(folder + "/a-4")
      try unfinished.writeRecipe()
      try unfinished.writeLogs()
      #expect(throws: ReportError.self) {
        _ = try Comparison.read([unfinished.path, first.path, second.path])
      }
      #expect(try Comparison.read([unfinished.path, first.path]).comparison.methods.count == 1)
      // Runs and values have the same order.
      let text = try #require(error?.description)
      #expect(text.contains("steps: 40 and 8"))
      let (later, earlier) = (text.firstRange(of: "/a-2"), text.firstRange(of: "/a-1"))
      #expect(try #require(later).lowerBound < #require(earlier).lowerBound)
    }
  }
}
