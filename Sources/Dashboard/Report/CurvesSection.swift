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
      if let parts = parts() { parts.figure(id: "parts") }
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

  /// Each reward, when there are several, and the figures that scorers report beside their total.
  private func parts() -> LineChart? {
    let rewards = run.epochs.map { $0.rewards.count > 1 ? $0.rewards : [] }
    let values = zip(run.epochs, rewards).map { epoch, rewards in
      (epoch: epoch.epoch, values: rewards + epoch.parts)
    }
    let series = CurvesSection.series(values)
    return series.isEmpty
      ? nil
      : LineChart(
        title: "Parts of the reward", xLabel: "epoch", yLabel: "mean over the epoch's images",
        series: series)
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
      series: CurvesSection.series(values, names: shown.sorted(by: isBefore).map { "step \($0)" }))
  }

  /// One curve a key, in the order in which keys first appear, after `names`; six at most.
  static func series(
    _ values: [(epoch: Int, values: [(key: String, value: Double)])], names first: [String] = []
  ) -> [LineChart.Series] {
    var names = first
    for entry in values.flatMap(\.values) where !names.contains(entry.key) {
      names.append(entry.key)
    }
    return names.prefix(6).enumerated().map { index, name in
      let points = values.compactMap { entry -> LineChart.Point? in
        entry.values.first { $0.key == name }.map { .init(x: Double(entry.epoch), y: $0.value) }
      }
      return .init(name, points, style: index)
    }
  }
}
