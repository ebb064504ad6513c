internal import Foundation
internal import Foundations
internal import TorchNN

extension TrainingPlan {
  /// The plan as a table for people.
  ///
  /// - Parameter teraflops: TFLOP/s of one GPU, for the hours.
  package func text(teraflops: Double) -> String {
    let rows: [(String, String)] =
      [
        (
          "prompts",
          "\(number(promptsPerEpoch)) an epoch of \(number(trainingPrompts)) "
            + String(format: "(%.2f passes); ", passes) + "\(number(evaluationPrompts)) held out"
        ),
        (
          "groups",
          "\(number(groupsPerEpoch)) an epoch, of \(number(rowsPerGroup)) rewards "
            + "(baseline \(baseline), scale \(scale))"
        ),
        (
          "training samples",
          "\(number(trainingSamplesPerEpoch)) (trunk, step) an epoch; "
            + "\(number(samplesPerUpdate)) an update"
        ),
        ("epochs", epochText), ("", ""), ("", column("an epoch", "in all")),
      ] + work + [
        ("", ""),
        (
          "evaluation",
          "\(number(evaluations)) times \(number(evaluationPrompts)) images; "
            + "\(number(evaluationEvaluations)) NFE and \(number(evaluationScores)) scores in all"
        ),
        ("trainable parameters", number(trainableParameters)),
      ]
      + layersWithoutAdapters.sorted { $0.key < $1.key }.enumerated().map { index, layer in
        let count = layer.value > 1 ? " (\(layer.value) layers)" : ""
        return (index == 0 ? "without adapters" : "", layer.key + count)
      } + [
        (
          "transformer alone",
          String(format: "%.3g FLOP; ", transformerFlops)
            + hours(gpuHours(flopsPerSecond: teraflops * 1e12))
            + String(format: " GPU-hours at %g TFLOP/s", teraflops)
        ),
        ("prompt cache", "\(amount(promptCacheBytes)) on disk"),
        ("", ""),
      ] + processRows(teraflops: teraflops) + memoryRows + fitRows(teraflops: teraflops)
    return TextTable(
      columns: [.left(22), .left()], separator: "",
      rows: rows.map { $0.isEmpty && $1.isEmpty ? [] : [$0, $1] }
    ).text
  }

  private var epochText: String {
    number(epochs) + (timeLimit.map { ", or \(number(Int($0))) seconds of training" } ?? "")
  }

  private var work: [(String, String)] {
    let figures: [(String, KeyPath<Work, Int>)] = [
      ("model calls, rollout", \.rolloutCalls),
      ("NFE", \.rolloutEvaluations),
      ("  without guidance", \.rolloutEvaluationsUnguided),
      ("decodes", \.decodes), ("rewards", \.rewards),
      ("model calls, learning", \.learningCalls),
      ("NFE", \.learningEvaluations),
      ("reference NFE", \.referenceEvaluations),
      ("optimizer updates", \.updates),
    ]
    return figures.map { name, path in
      (name, column(number(firstEpoch[keyPath: path]), number(total[keyPath: path])))
    }
  }

  /// One line per phase with its components, the peak, and the settings that lower it.
  private var memoryRows: [(String, String)] {
    var rows = processes == nil ? [] : [("memory", "of the process with the most:")]
    rows += memory.phases.map { phase in
      let parts = phase.items.filter { $0.bytes >= max(1_000_000, phase.bytes / 200) }
        .map { "\($0.name) \(amount($0.bytes))" }
      return ("memory, \(phase.name)", "\(amount(phase.bytes)): \(parts.joined(separator: ", "))")
    }
    rows.append(
      (
        "decoded at once",
        number(memory.decodeMicroBatch) + (memory.choosesDecodeMicroBatch ? " (chosen)" : "")
      ))
    let budget = memory.budget.map { ", of \(amount($0))" } ?? ""
    rows.append(("peak", "\(amount(memory.peak.bytes)) in \(memory.peak.name)\(budget)"))
    if memory.hostBytes > 0 {
      rows.append(("host memory", "\(amount(memory.hostBytes)) pinned: blocks of the transformer"))
    }
    if let excess = memory.excess {
      rows.append(("", "TOO MUCH by \(amount(excess)); the peak with other settings:"))
      rows += memoryAdvice.map { ("", "  \($0.setting): \(amount($0.peak))") }
    }
    return rows
  }

  /// What fits the budget: a row for each storage of the frozen weights, a column for each size.
  private func fitRows(teraflops: Double) -> [(String, String)] {
    guard let budget = memory.budget, !fits.isEmpty else { return [] }
    var storages: [(name: String, cells: [String])] = []
    for fit in fits {
      let weights = fit.quantizeBase == .none ? "bfloat16" : fit.quantizeBase.rawValue
      let storage = weights + (fit.offload == .none ? "" : ", offload")
      let cell =
        fit.microBatches.map { "\($0.sampling) / \($0.optimizer)" }
        ?? "no: \(fit.peakPhase) \(amount(fit.peak))"
      if let row = storages.firstIndex(where: { $0.name == storage }) {
        storages[row].cells.append(cell)
      } else {
        storages.append((storage, [cell]))
      }
    }
    let sizes = fits.filter { $0.quantizeBase == .none && $0.offload == .none }
    func cells(_ cells: [String]) -> String {
      cells.map { $0 + String(repeating: " ", count: max(1, 28 - $0.count)) }.joined()
    }
    let hoursPerEpoch = sizes.map { hours($0.flopsPerEpoch / (teraflops * 1e12) / 3600) }
    return [("", ""), ("fits \(amount(budget))", "micro-batches of rollout / update, at most")]
      + [("", cells(sizes.map { "\($0.height) x \($0.width)" }))]
      + storages.map { ("  \($0.name)", cells($0.cells)) }
      + [("GPU-hours an epoch", cells(hoursPerEpoch))]
  }

  private func column(_ first: String, _ second: String) -> String {
    [first, second].map { String(repeating: " ", count: max(0, 14 - $0.count)) + $0 }.joined()
  }

  /// `12,345`
  func number(_ value: Int) -> String {
    var digits = String(value)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return ([digits] + groups).joined(separator: ",")
  }

  func hours(_ value: Double) -> String {
    value < 0.1 ? String(format: "%.2g", value) : String(format: "%.1f", value)
  }

  func amount(_ bytes: Int) -> String {
    switch bytes {
    case 1_000_000_000...: String(format: "%.1f GB", Double(bytes) / 1e9)
    case 100_000...: String(format: "%.1f MB", Double(bytes) / 1e6)
    default: String(format: "%.1f kB", Double(bytes) / 1e3)
    }
  }
}
