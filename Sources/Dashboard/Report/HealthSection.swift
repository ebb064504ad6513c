/// Curves of a run's own checks: clipping, ratios, gradients and missing rewards.
struct HealthSection {
  let run: RunRecord

  func markup() -> Markup {
    guard !run.epochs.isEmpty else {
      return element("p", ["class": "notice"]) { "No epoch has been completed yet." }
    }
    return .fragment([
      element("p", ["class": "quiet"]) {
        if hasRatios {
          "In an epoch's first update the ratio between new and old policy is 1, so the difference "
          "of log-probabilities between rollout and training must be far below the clip range. "
        }
        "Groups with equal rewards have no gradient. The gradient norm is measured before clipping."
        if !hasDivergence {
          " The distance to the reference model was not measured"
          hasPenalty ? "." : " (kl_beta is 0)."
        }
      },
      element("div", ["class": "charts"]) {
        for (index, chart) in charts().enumerated() { chart.figure(id: "health-\(index)") }
      },
      missingScores(),
    ])
  }

  /// Missing scores of the whole run, by reward and reason.
  private func missingScores() -> Markup {
    var counts: [String: Int] = [:]
    for (reason, count) in run.epochs.flatMap(\.missingReasons) {
      counts[reason, default: 0] += count
    }
    let reasons = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    guard !reasons.isEmpty else { return .fragment([]) }
    return element("div", ["class": "scroll", "tabindex": "0"]) {
      element("table") {
        element("caption") {
          isEachRewardNormalized
            ? "Missing scores; an image's other rewards still trained it"
            : "Missing scores; their images took no part in training"
        }
        element("thead") {
          element("tr") {
            for name in ["Reward and reason", "Images"] { element("th", ["scope": "col"]) { name } }
          }
        }
        element("tbody") {
          for (reason, count) in reasons {
            element("tr") {
              element("th", ["scope": "row"]) { reason }
              element("td") { Figures.count(count) }
            }
          }
        }
      }
    }
  }

  /// Losses without log-probabilities have none.
  private var hasRatios: Bool { run.epochs.contains { $0.ratioMaxDeviation != nil } }

  private var hasDivergence: Bool { run.epochs.contains { ($0.kl ?? 0) != 0 } }

  private var hasPenalty: Bool { run.setting("loss.kl_beta").flatMap(Double.init) ?? 0 != 0 }

  private var isEachRewardNormalized: Bool { run.setting("advantage.combination") == "gdpo" }

  private func charts() -> [LineChart] {
    [
      ratio(),
      curve("Clip fraction", "share of rows", \.clipFraction),
      curve("Groups of equal rewards", "share of groups", \.fracRewardZeroStd),
      norm(),
      curve("Policy loss", "loss", \.policyLoss, fromZero: false),
    ].filter { !$0.series.allSatisfy(\.points.isEmpty) }
      + (run.epochs.contains { ($0.missing ?? 0) > 0 } ? [missing()] : [])
      + (hasDivergence ? [curve("Distance to the reference model", "KL", \.kl)] : [])
  }

  private func ratio() -> LineChart {
    var chart = LineChart(
      title: "Ratio deviation", xLabel: "epoch", yLabel: "largest deviation (logarithmic)",
      series: [
        .init("all updates, |ratio − 1|", points(\.ratioMaxDeviation)),
        .init("first update, log-probability", points(\.logProbabilityDeviation), style: 1),
      ].filter { !$0.points.isEmpty })
    chart.scale = .logarithmic
    // One number, or the sides low and high.
    let sides = run.numbers("loss.clip_range")
    let names = sides.count == 2 ? ["clip range, low", "clip range, high"] : ["clip range"]
    chart.references = zip(names, sides).filter { $1 > 0 }.map { name, side in
      (side, "\(name) \(Figures.setting(side))")
    }
    return chart
  }

  private func missing() -> LineChart {
    let points = run.epochs.compactMap { epoch in
      epoch.missing.map { LineChart.Point(x: Double(epoch.epoch), y: Double($0)) }
    }
    var chart = LineChart(
      title: "Images without a reward", xLabel: "epoch", yLabel: "images",
      series: [.init("images", points)])
    chart.covering = [0]
    return chart
  }

  private func norm() -> LineChart {
    var chart = curve("Gradient norm", "norm before clipping", \.gradNorm)
    if let limit = run.setting("optimizer.max_grad_norm").flatMap(Double.init), limit > 0,
      let largest = chart.series[0].points.map(\.y).max(), limit <= 4 * largest
    {
      chart.references = [(limit, "clipped above \(Figures.setting(limit))")]
    }
    return chart
  }

  private func curve(
    _ title: String, _ unit: String, _ value: KeyPath<EpochRecord, Double?>, fromZero: Bool = true
  ) -> LineChart {
    var chart = LineChart(
      title: title, xLabel: "epoch", yLabel: unit, series: [.init(title, points(value))])
    if fromZero { chart.covering = [0] }
    return chart
  }

  /// A gap where an epoch has no value; empty where none has one.
  private func points(_ value: KeyPath<EpochRecord, Double?>) -> [LineChart.Point] {
    guard run.epochs.contains(where: { $0[keyPath: value] != nil }) else { return [] }
    return run.epochs.map { .init(x: Double($0.epoch), y: $0[keyPath: value] ?? .nan) }
  }
}
