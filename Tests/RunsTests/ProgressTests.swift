import Runs
import Testing

struct ProgressTests {
  /// The output of a reporter, and a clock that a test sets.
  final class Stage {
    var written: [String] = []
    var time = 0.0

    func reporter(columns: Int?) -> ProgressReporter {
      ProgressReporter(columns: columns, write: { self.written.append($0) }, now: { self.time })
    }
  }

  @Test(arguments: [
    (0.0, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3599.6, "1:00:00"),
    (360_000, "100:00:00"), (-1, "0:00:00"), (.infinity, "0:00:00"), (1e300, "1000000:00:00"),
  ])
  func `times are hours, minutes and seconds`(_ seconds: Double, _ expected: String) {
    #expect(StageProgress.text(seconds: seconds) == expected)
  }

  @Test(arguments: [
    (0.125, "8.0 s/image"), (1.0, "1.0 images/s"), (9.96, "10.0 images/s"),
    (123.4, "123 images/s"),
  ])
  func `slow rates are seconds per unit`(_ rate: Double, _ expected: String) {
    #expect(StageProgress.text(rate: rate, of: "image") == expected)
  }

  @Test func `a line holds step, rate, time left, mean reward and best`() {
    let progress = StageProgress(
      stage: "training", step: 12, total: 30, seconds: 96, meanReward: 0.5123, best: 0.53)
    let expected =
      "training 12/30 (40 %)  8.0 s/step  0:02:24 left  reward 0.512  best held-out 0.530"
    #expect(progress.line == expected)
  }

  @Test func `images without a reward are shown when there are any`() {
    var progress = StageProgress(stage: "x", step: 1, total: 2, meanReward: 0.5, best: 0.6)
    #expect(progress.line.hasSuffix("reward 0.500  best held-out 0.600"))
    progress.missing = 3
    #expect(progress.line.hasSuffix("reward 0.500  missing 3  best held-out 0.600"))
  }

  @Test func `a resumed run's rate counts its own steps only`() {
    let progress = StageProgress(stage: "training", step: 12, total: 30, firstStep: 10, seconds: 10)
    #expect(progress.line == "training 12/30 (40 %)  5.0 s/step  0:01:30 left")
  }

  @Test func `a stage that a time limit ends has that limit's share and time left`() {
    let stage = Stage()
    let reporter = stage.reporter(columns: nil)
    // Resumed at 100 of 700 seconds, 10 of 75 epochs.
    reporter.begin("training", total: 75, unit: "epoch", step: 10, share: 1.0 / 7)
    stage.time = 300
    reporter.update(40, share: 4.0 / 7)
    stage.time = 610
    reporter.update(70, share: 1)
    reporter.end()
    #expect(
      stage.written == [
        "training 10/75 (14 %)\n", "training 40/75 (57 %)  10.0 s/epoch  0:05:00 left\n",
        "training 70/75 (100 %)  10.2 s/epoch  took 0:10:10\n",
        "training 70/75 (100 %)  10.2 s/epoch  took 0:10:10\n",
      ])
  }

  @Test func `the first and the last line of a stage`() {
    #expect(StageProgress(stage: "x", step: 0, total: 0).line == "x 0/0")
    #expect(StageProgress(stage: "x", step: 0, total: 4).line == "x 0/4 (0 %)")
    let last = StageProgress(stage: "x", step: 4, total: 4, seconds: 2)
    #expect(last.line == "x 4/4 (100 %)  2.0 steps/s  took 0:00:02")
  }

  @Test func `off a terminal lines come every few seconds and at the end of a stage`() {
    let stage = Stage()
    let reporter = stage.reporter(columns: nil)
    reporter.begin("training", total: 100)
    for step in 1...100 {
      stage.time = Double(step) * 0.2
      reporter.update(step, meanReward: 0.5)
    }
    reporter.message("saved")
    reporter.end()
    reporter.end()
    #expect(
      stage.written == [
        "training 0/100 (0 %)\n",
        "training 25/100 (25 %)  5.0 steps/s  0:00:15 left  reward 0.500\n",
        "training 50/100 (50 %)  5.0 steps/s  0:00:10 left  reward 0.500\n",
        "training 75/100 (75 %)  5.0 steps/s  0:00:05 left  reward 0.500\n",
        "training 100/100 (100 %)  5.0 steps/s  took 0:00:20  reward 0.500\n",
        "saved\n",
        "training 100/100 (100 %)  5.0 steps/s  took 0:00:20  reward 0.500\n",
      ])
  }

  @Test func `on a terminal one line is rewritten, and messages go above it`() {
    let stage = Stage()
    let reporter = stage.reporter(columns: 24)
    reporter.begin("training", total: 10, best: 0.25)
    stage.time = 1
    reporter.update(1)
    reporter.update(2)
    reporter.message("a message longer than the terminal is wide")
    reporter.end()
    reporter.message("after")
    #expect(
      stage.written == [
        "\rtraining 0/10 (0 %)  be\u{1B}[K",
        "\rtraining 1/10 (10 %)  1\u{1B}[K",
        "\r\u{1B}[K",
        "a message longer than the terminal is wide\n",
        "\rtraining 2/10 (20 %)  2\u{1B}[K",
        "\rtraining 2/10 (20 %)  2\u{1B}[K",
        "\n",
        "after\n",
      ])
  }

  @Test func `parts of a long step are shown at once on a terminal, every minute elsewhere`() {
    let stages = (Stage(), Stage())
    let reporters = (stages.0.reporter(columns: 80), stages.1.reporter(columns: nil))
    for (stage, reporter) in [(stages.0, reporters.0), (stages.1, reporters.1)] {
      reporter.update(.init("rollout", 1, of: 2))
      reporter.begin("training", total: 4)
      for second in 1...100 {
        stage.time = Double(second)
        reporter.update(.init("rollout", second, of: 200))
      }
      reporter.update(1)
      reporter.update(.init("learning", 0, of: 3))
      reporter.end()
    }
    #expect(stages.0.written.contains("\rtraining 0/4 (0 %)  rollout 2 %\u{1B}[K"))
    #expect(stages.0.written.count == 103)
    let end = "training 1/4 (25 %)  100.0 s/step  0:05:00 left\n"
    #expect(
      stages.1.written == [
        "training 0/4 (0 %)\n", "training 0/4 (0 %)  rollout 30 %\n", end, end,
      ])
  }

  @Test func `a new stage ends the one before`() {
    let stage = Stage()
    let reporter = stage.reporter(columns: nil)
    reporter.update(3)
    reporter.begin("one", total: 1)
    reporter.begin("two", total: 2, step: 1)
    #expect(stage.written == ["one 0/1 (0 %)\n", "one 0/1 (0 %)\n", "two 1/2 (50 %)\n"])
  }
}
