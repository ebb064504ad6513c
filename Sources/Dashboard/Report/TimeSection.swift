/// Time per phase.
struct TimeSection {
  let run: RunRecord

  func markup() -> Markup {
    let parts = run.timings.parts
    guard !parts.isEmpty else {
      return element("p", ["class": "notice"]) { "No times have been recorded yet." }
    }
    let total = parts.map(\.amount).reduce(0, +)
    let bar = StackedBar(title: "The whole run, \(Figures.duration(total))", parts: parts)
    return .fragment([
      bar.figure(id: "phases"),
      element("div", ["class": "charts"]) {
        element("div") {
          element("div", ["class": "scroll", "tabindex": "0"]) {
            bar.table(amount: Figures.duration)
          }
          element("p", ["class": "quiet"]) {
            "text: prompts to embeddings; rollout: denoising; decode: latents to images; reward: "
            "waiting for scores; learning: forward, backward and optimizer; other: the rest of "
            "an epoch."
          }
        }
        if !run.timings.epochs.isEmpty { perEpoch().figure(id: "seconds") }
      },
      ranks(),
    ])
  }

  /// Rows of the table of processes at most: those with the longest rollouts.
  private static let rankRows = 32

  /// The times of every process, from which one sees who waits for whom.
  private func ranks() -> Markup {
    let timings = run.timings.ranks
    guard !timings.ranks.isEmpty else { return .fragment([]) }
    let slowest = timings.ranks.indices.sorted { timings.ranks[$0][0] > timings.ranks[$1][0] }
    let shown = slowest.prefix(Self.rankRows).sorted()
    return .fragment([
      element("h3") { "Processes" },
      element("div", ["class": "scroll", "tabindex": "0"]) {
        element("table") {
          element("thead") {
            element("tr") {
              element("th", ["scope": "col"]) { "Rank" }
              for part in RankTimings.parts { element("th", ["scope": "col"]) { part.heading } }
            }
          }
          element("tbody") {
            for rank in shown {
              element("tr") {
                element("th", ["scope": "row"]) { "\(rank)" }
                for seconds in timings.ranks[rank] {
                  element("td") { "\(Figures.fixed(seconds, 2)) s" }
                }
              }
            }
          }
        }
      },
      element("p", ["class": "quiet"]) {
        "Seconds of an epoch on each process, means over \(timings.epochCount) epochs"
          + (shown.count < slowest.count
            ? "; of \(slowest.count) processes the \(shown.count) with the longest rollouts" : "")
          + ". Waiting for other processes is part of reward after a rollout, and of update."
      },
    ])
  }

  private func perEpoch() -> LineChart {
    let epochs = run.timings.epochs
    var series = [
      LineChart.Series(
        "whole epoch", epochs.map { .init(x: Double($0.epoch), y: $0.total) }, style: 0)
    ]
    let parts = run.timings.parts
    for (index, name) in Timings.phases.map(\.name).enumerated()
    where ["rollout", "decode", "learning"].contains(name) {
      // The phase's color in the bar above.
      guard let style = parts.firstIndex(where: { $0.name == name }), style < 6 else { continue }
      series.append(
        .init(
          name, epochs.map { .init(x: Double($0.epoch), y: $0.phases[index]) }, style: style))
    }
    var chart = LineChart(
      title: "Seconds per epoch", xLabel: "epoch", yLabel: "seconds", series: series)
    chart.covering = [0]
    return chart
  }
}
