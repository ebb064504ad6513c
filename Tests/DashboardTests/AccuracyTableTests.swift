import Dashboard
import Runs
import Testing

struct AccuracyTableTests {
  @Test func `the table lists tags in GenEval's order, aligned, with counts and the whole last`() {
    let text = AccuracyTable(SyntheticRun("demo").summary()).text
    #expect(
      text == """
        Held-out shapes_strict (500 prompts, ema weights, 8 steps, ode, seed 1; \
        mean ± standard error)

                        prompts          before           after   change
        ----------------------------------------------------------------
        single_object        84   0.750 ± 0.048   0.905 ± 0.032   +0.155
        two_object           84   0.417 ± 0.054   0.571 ± 0.054   +0.155
        counting             83   0.301 ± 0.051   0.458 ± 0.055   +0.157
        colors               83   0.494 ± 0.055   0.735 ± 0.049   +0.241
        position             83   0.133 ± 0.037   0.289 ± 0.050   +0.157
        color_attr           83   0.193 ± 0.044   0.434 ± 0.055   +0.241
        mean of tags        500           0.381           0.565   +0.184
        ----------------------------------------------------------------
        all                 500   0.382 ± 0.022   0.566 ± 0.022   +0.184

        40 epochs, 8 min 20 s of training.
        """)
  }

  @Test func `a run that is stopped early has the epoch of its last measurement, or none`() {
    var run = SyntheticRun("demo")
    run.evaluations = [0]
    var summary = run.summary()
    summary.isFinished = false
    summary.epochs = 7
    let begun = AccuracyTable(summary).text
    #expect(begun.contains("all                 500   0.382 ± 0.022       -        -"), "\(begun)")
    let end = "measured yet, 8 min 20 s of training; stopped before the end."
    #expect(begun.hasSuffix("7 epochs, not \(end)"), "\(begun)")
    run.evaluations = [0, 10]
    summary = run.summary()
    summary.isFinished = false
    summary.epochs = 19
    let later = AccuracyTable(summary).text
    #expect(later.contains("\n\n19 epochs, measured after 10, 8 min 20 s of training; stopped"))
  }

  @Test func `an evaluation without scores has no figure and no change`() {
    let run = SyntheticRun("demo")
    var summary = run.summary()
    summary.after = TaggedScores([])
    let text = AccuracyTable(summary).text
    let all = "all             500 → 0   0.382 ± 0.022       -        -"
    #expect(text.split(separator: "\n").contains(Substring(all)), "\(text)")
  }
}
