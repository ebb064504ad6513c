internal import Foundation

extension TrainingPlan {
  /// What each process does, and what the slowest one costs; empty for one process.
  ///
  /// - Parameter teraflops: TFLOP/s of one GPU, for the hours.
  func processRows(teraflops: Double) -> [(String, String)] {
    guard let processes else { return [] }
    return placeRows(processes) + shareRows(processes)
      + processes.warnings.map { ("", "warning: \($0)") }
      + costRows(processes, teraflops: teraflops) + [("", "")]
  }

  private func placeRows(_ processes: ProcessPlan) -> [(String, String)] {
    let count = processes.count
    let each = Double(promptsPerEpoch) / Double(count)
    let hosts = processes.hosts == 1 ? "one host" : "\(processes.hosts) hosts"
    return [
      (
        "processes",
        "\(number(count)) on \(hosts), \(number(processes.perHost)) a host, each on "
          + processes.device
      ),
      (
        "prompts",
        "\(number(promptsPerEpoch)) an epoch stay \(number(promptsPerEpoch)) on any number of "
          + String(format: "processes: %.3g for each of ", each) + number(count)
      ),
      (
        "",
        "(where a script counts prompts per process, \(number(promptsPerEpoch)) of them are "
          + "\(number(promptsPerEpoch * count)) an epoch)"
      ),
    ]
  }

  private func shareRows(_ processes: ProcessPlan) -> [(String, String)] {
    func each(_ path: KeyPath<RankWork, Int>) -> String {
      let values = processes.ranks.map { $0[keyPath: path] }
      let (least, most) = (values.min() ?? 0, values.max() ?? 0)
      return least == most ? number(least) : "\(number(least)) to \(number(most))"
    }
    return [
      (
        "columns",
        "\(number(processes.columns)) (trunk, branch) an epoch; \(each(\.columns)) a process, of "
          + "\(each(\.trunks)) trunks"
      ),
      (
        "split trunks",
        number(processes.splitTrunks)
          + (processes.splitTrunks == 0
            ? ""
            : ", each walked by several processes: \(number(processes.addedEvaluations)) NFE more "
              + "an epoch")
      ),
      (
        "rollout of each",
        "\(each(\.rolloutEvaluations)) NFE in \(each(\.rolloutCalls)) calls; "
          + "\(each(\.images)) images"
      ),
      (
        "training of each",
        "\(each(\.trainingSamples)) samples an update in \(each(\.passes)) passes"
          + (processes.idleRanks > 0 ? "; \(number(processes.idleRanks)) without" : "")
      ),
      (
        "evaluation of each",
        "\(each(\.evaluationPrompts)) images; \(each(\.encodedPrompts)) prompts to encode"
      ),
    ]
  }

  private func costRows(
    _ processes: ProcessPlan, teraflops: Double
  ) -> [(String, String)] {
    let sent = processes.sent
    let wallClock = processes.slowestFlops / (teraflops * 1e12) / 3600
    let blocks =
      sent.weightsPerEpoch == 0
      ? "" : "\(amount(sent.weightsPerEpoch)) of shared blocks an epoch; "
    func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
    return [
      (
        "sent by each",
        "\(amount(sent.gradientsPerUpdate)) of gradients an update; "
          + "\(amount(sent.samplesPerEpoch)) of training samples and "
          + "\(amount(sent.recordsPerEpoch)) of records an epoch; "
          + "\(blocks)\(amount(sent.perEpoch)) an epoch in all"
      ),
      (
        "efficiency",
        "\(percent(processes.efficiency)) (rollout \(percent(processes.rolloutEfficiency)), "
          + "updates \(percent(processes.learningEfficiency))): the rest is waiting for the "
          + "slowest and walking trunks twice"
      ),
      (
        "wall-clock",
        "\(hours(wallClock)) hours of the transformer alone"
          + String(format: " at %g TFLOP/s; ", teraflops)
          + "\(hours(wallClock * Double(processes.count))) GPU-hours of \(number(processes.count)) "
          + "processes"
      ),
      (
        "memory of a host",
        processes.bytesPerHost == 0
          ? "none pinned"
          : "\(amount(processes.bytesPerHost)) for \(number(processes.perHost)) processes"
      ),
    ]
  }
}
