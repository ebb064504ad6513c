package import Foundations

/// Methods compared at equal training time: several runs of each, one per seed.
package struct Comparison {
  /// The runs of one method.
  package struct Method {
    /// The name in run directories.
    package let name: String
    /// The name in chart and table.
    package let label: String
    /// Its runs, one per seed.
    package let runs: [MeasuredRun]

    /// The score before training, over the runs.
    package var before: Statistics { Statistics(runs.map(\.before)) }
    /// The score at a time that every run reached, over the runs.
    package func after(_ seconds: Double) -> Statistics {
      Statistics(runs.map { $0.score(at: seconds) })
    }
    /// That score minus the one before training, per run.
    package func gain(_ seconds: Double) -> Statistics {
      Statistics(runs.map { run in run.score(at: seconds).map { $0 - run.before } })
    }

    /// The mean score over the runs and its standard error at a time; nil unless all reached it.
    package func score(at time: Double) -> (mean: Double, error: Double?)? {
      let statistics = after(time)
      guard statistics.count == runs.count, let mean = statistics.mean else { return nil }
      return (mean, statistics.standardError)
    }
  }

  /// In the order in which they are listed.
  package let methods: [Method]
  /// How the held-out score is shown.
  package let scale: ScoreScale

  /// Groups runs by method in the order in which methods first appear; `labels` maps a
  /// method's name to its name in chart and table.
  package init(runs: [MeasuredRun], scale: ScoreScale, labels: [String: String] = [:]) {
    self.scale = scale
    var order: [String] = []
    for run in runs where !order.contains(run.method) { order.append(run.method) }
    methods = order.map { name in
      Method(
        name: name, label: labels[name] ?? name, runs: runs.filter { $0.method == name })
    }
  }

  /// Seconds of training that every run of every method reached.
  package var budget: Double {
    methods.flatMap(\.runs).map { $0.points[$0.points.count - 1].seconds }.min() ?? 0
  }

  /// Number of equal parts of the budget; methods are compared at their ends and at 0.
  static let stations = 12

  /// The mean score over training time, one curve a method, with standard errors over its runs.
  package func chart() -> LineChart {
    let inMinutes = budget >= 240
    let unit = inMinutes ? 60.0 : 1
    let curves = methods.enumerated().map { index, method in
      let points = (0...Comparison.stations).compactMap { station -> LineChart.Point? in
        // The share of the last is 1, so its time is the budget to the bit.
        let time = budget * (Double(station) / Double(Comparison.stations))
        guard let value = method.score(at: time) else { return nil }
        return LineChart.Point(
          x: time / unit, y: scale.drawn(value.mean), error: value.error.map(scale.drawn))
      }
      // No dots: a station is no measurement.
      return LineChart.Series(
        method.label, points, style: index % ChartStyle.count, errors: .band)
    }
    var chart = LineChart(
      title: "Held-out \(scale.title) at equal training time",
      xLabel: inMinutes ? "minutes of training" : "seconds of training",
      yLabel: scale.axisTitle, series: curves)
    chart.countsAcross = false
    return chart
  }

  /// The chart as the contents of an SVG file.
  package func chartFile() -> String {
    chart().picture(id: "compare", standalone: true).rendered() + "\n"
  }
}
