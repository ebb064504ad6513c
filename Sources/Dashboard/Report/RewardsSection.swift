import Runs

/// The trained reward beside the held-out rewards, on the same evaluation images.
struct RewardsSection {
  let run: RunRecord

  /// nil for a run without held-out rewards.
  func markup() -> Markup? {
    let names = run.evaluations.last?.heldOutRewards.map(\.key) ?? []
    guard !names.isEmpty else { return nil }
    return .fragment([
      element("p", ["class": "quiet"]) {
        "Held-out rewards are scored on the evaluation images and not trained on. A held-out "
        "reward that falls while the trained reward rises is a sign of reward hacking."
      },
      alarms(),
      element("div", ["class": "charts"]) {
        chart("trained", "Trained reward", run.evaluations.map { ($0, $0.trainingReward, nil) })
        for (index, name) in names.enumerated() {
          chart(
            "held-out-\(index)", "Held-out: \(name)",
            run.evaluations.map { evaluation in
              let score = evaluation.heldOutRewards.first { $0.key == name }?.score
              return (evaluation, score?.mean, score?.standardError)
            })
        }
      },
    ])
  }

  private func alarms() -> Markup {
    let raised = run.evaluations.filter { !$0.alarms.isEmpty }
    guard let first = raised.first else {
      return element("p") { "No alarm was raised." }
    }
    let names = Set(raised.flatMap(\.alarms)).sorted().joined(separator: ", ")
    return element("p", ["class": "notice", "role": "status"]) {
      "Alarm: \(names) fell while the trained reward rose, first noted at epoch \(first.epoch)."
    }
  }

  private func chart(
    _ id: String, _ title: String,
    _ values: [(at: EvaluationRecord, mean: Double?, error: Double?)]
  ) -> Markup {
    let points = values.compactMap { value in
      value.mean.map { LineChart.Point(x: Double(value.at.epoch), y: $0, error: value.error) }
    }
    return LineChart(
      title: title, xLabel: "epoch", yLabel: "mean on evaluation images",
      series: [.init(title, points, dots: true)]
    ).figure(id: id)
  }
}
