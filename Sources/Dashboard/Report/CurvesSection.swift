import Runs

/// The held-out score and the reward over the run.
struct CurvesSection {
  let run: RunRecord

  func markup() -> Markup {
    guard !run.epochs.isEmpty || !run.evaluations.isEmpty else {
      return element("p", ["class": "notice"]) { "No epoch has been completed yet." }
    }
    return element("div", ["class": "charts"]) {
      accuracy().figure(id: "accuracy")
      reward().figure(id: "reward")
      for (index, chart) in parts().enumerated() { chart.figure(id: "parts-\(index)") }
      if let steps = perStep() { steps.figure(id: "steps") }
    }
  }

  private func accuracy() -> LineChart {
    let scale = run.scoreScale
    let means = run.evaluations.compactMap { evaluation -> LineChart.Point? in
      guard let mean = evaluation.overall.mean else { return nil }
      return .init(
        x: Double(evaluation.epoch), y: scale.drawn(mean),
        error: evaluation.overall.standardError.map(scale.drawn))
    }
    return LineChart(
      title: "Held-out \(scale.title)", xLabel: "epoch",
      yLabel: "\(scale.axisTitle) (± standard error)",
      series: [.init(scale.name, means, dots: true)])
  }

  private func reward() -> LineChart {
    let all = run.epochs.map { epoch in
      LineChart.Point(
        x: Double(epoch.epoch), y: epoch.rewardMean ?? .nan, error: epoch.rewardDeviation)
    }
    let held = run.evaluations.compactMap { evaluation -> LineChart.Point? in
      evaluation.trainingReward.map { .init(x: Double(evaluation.epoch), y: $0) }
    }
    let series = [
      LineChart.Series("images of the epoch (± deviation)", all, errors: .band),
      LineChart.Series("held-out prompts", held, style: 1, dots: true),
    ]
    return LineChart(
      title: "Training reward", xLabel: "epoch", yLabel: "reward",
      series: series.filter { $0.points.contains(where: \.y.isFinite) })
  }

  /// Charts for each reward of its mean, when there are several, and of the figures that its scorer
  /// reports beside it: rewards have units of their own.
  private func parts() -> [LineChart] {
    let rows = run.epochs.map { epoch in
      (epoch: epoch.epoch, values: (epoch.rewards.count > 1 ? epoch.rewards : []) + epoch.parts)
    }
    func reward(_ key: String) -> String { String(key.prefix { $0 != "." }) }
    let rewards = CurvesSection.names(rows.map { $0.values.map { reward($0.key) } })
    return rewards.flatMap { name -> [LineChart] in
      let own = rows.map { row in
        (epoch: row.epoch, values: row.values.filter { reward($0.key) == name })
      }
      let names = CurvesSection.names(own.map { $0.values.map(\.key) })
      let most = 6
      return stride(from: 0, to: names.count, by: most).map { first in
        let shown = Array(names[first..<min(first + most, names.count)])
        let place = names.count > most ? " (\(first / most + 1))" : ""
        return LineChart(
          title: shown.count == 1 ? "Mean of \(shown[0])" : "Parts of \(name)\(place)",
          xLabel: "epoch", yLabel: "mean over the epoch's images",
          series: CurvesSection.series(own, shown, withGaps: true))
      }
    }
  }

  /// The reward of images by the step that was decided for them.
  private func perStep() -> LineChart? {
    // Trained steps may differ from epoch to epoch.
    func isBefore(_ one: String, _ other: String) -> Bool {
      (Int(one) ?? 0) < (Int(other) ?? 0)
    }
    let steps = Set(run.epochs.flatMap(\.rewardPerStep).map(\.key)).sorted(by: isBefore)
    // With Flow-GRPO every step of a sample has the same reward.
    let differs = run.epochs.contains { Set($0.rewardPerStep.map(\.value)).count > 1 }
    guard steps.count > 1, differs else { return nil }
    // Of many steps: the first, the middle and the last.
    let shown =
      steps.count <= 6
      ? Set(steps) : Set([steps[0], steps[steps.count / 2], steps[steps.count - 1]])
    let values = run.epochs.map { epoch in
      (
        epoch: epoch.epoch,
        values: epoch.rewardPerStep.filter { shown.contains($0.key) }
          .map { (key: "step \($0.key)", value: $0.value) }
      )
    }
    return LineChart(
      title: "Reward by the step that branched", xLabel: "epoch", yLabel: "mean reward",
      series: CurvesSection.series(
        values, shown.sorted(by: isBefore).map { "step \($0)" }, withGaps: false))
  }

  /// The names of all rows, in the order in which they first appear.
  private static func names(_ rows: [[String]]) -> [String] {
    var names: [String] = []
    for name in rows.joined() where !names.contains(name) { names.append(name) }
    return names
  }

  /// One curve a name.
  ///
  /// - Parameter withGaps: whether an epoch without a value leaves a gap.
  private static func series(
    _ values: [(epoch: Int, values: [(key: String, value: Double)])], _ names: [String],
    withGaps: Bool
  ) -> [LineChart.Series] {
    names.enumerated().map { index, name in
      let points = values.compactMap { entry -> LineChart.Point? in
        let value = entry.values.first { $0.key == name }?.value
        return value == nil && !withGaps
          ? nil : .init(x: Double(entry.epoch), y: value ?? .nan)
      }
      return .init(name, points, style: index)
    }
  }
}
