import Foundation
import Runs

extension MeasuredRun {
  /// Reads the evaluations of a run directory.
  init(_ run: RunRecord) throws(ReportError) {
    guard let last = run.evaluations.last else { throw .notMeasured(path: run.path) }
    let measured =
      run.summary?.evaluations.map { ($0.trainingSeconds, $0.scores.overall.mean) }
      ?? run.evaluations.map { (run.timings.training(until: $0.epoch), $0.overall.mean) }
    // A run without its first or last evaluation covers only a part of its time.
    guard measured.first?.1 != nil, measured.last?.1 != nil else {
      throw .notScored(path: run.path)
    }
    let points = measured.compactMap { seconds, score in
      score.map { Point(seconds: seconds, score: $0) }
    }
    guard let first = points.first, let end = points.last, end.seconds > first.seconds else {
      throw .notMeasured(path: run.path)
    }
    self.init(
      method: MeasuredRun.method(of: run.name), name: run.name, points: points,
      epochs: last.epoch, prompts: last.overall.count)
    isFinished = run.isFinished
  }
}

extension Comparison {
  /// Reads run directories with one evaluation protocol.
  ///
  /// - Throws: `ReportError` when a run cannot be read, has no evaluation, is given twice, or
  ///   differs from the first in its evaluation protocol; when runs of one method have one seed or
  ///   differ in other settings; for a label of no method.
  package static func read(
    _ paths: [String], labels: [String: String] = [:]
  ) throws(ReportError) -> (comparison: Comparison, details: [String]) {
    var seen: Set<String> = []
    var records: [RunRecord] = []
    for path in paths {
      guard seen.insert(URL(filePath: path).standardizedFileURL.path).inserted else {
        throw .givenTwice(path: path)
      }
      records.append(try RunRecord(path))
    }
    // Of a run with a summary more is known.
    if let reference = records.first(where: { $0.summary != nil }) ?? records.first {
      for record in records where record.path != reference.path {
        try check(record, against: reference)
      }
    }
    let runs = tellApart(
      try records.map { record throws(ReportError) in try MeasuredRun(record) },
      in: records.map(\.path))
    let methods = Dictionary(grouping: zip(runs, records), by: \.0.method)
    for (_, members) in methods.sorted(by: { $0.key < $1.key }) {
      try checkSeeds(members.map(\.1))
    }
    let comparison = Comparison(runs: runs, scale: records[0].scoreScale, labels: labels)
    let known = comparison.methods.map(\.name)
    if let name = labels.keys.sorted().first(where: { !known.contains($0) }) {
      throw .unknownMethod(name: name, known: known)
    }
    return (comparison, details(records))
  }

  /// Throws unless the runs of one method differ in their seeds and in nothing else that counts.
  private static func checkSeeds(_ records: [RunRecord]) throws(ReportError) {
    var seeds: [String: RunRecord] = [:]
    for record in records {
      let differences = record.differences(from: records[0])
      guard differences.isEmpty else {
        throw .differentSettings(
          path: record.path, other: records[0].path, detail: differences.joined(separator: ", "))
      }
      guard let seed = record.setting("seed") else { continue }
      if let other = seeds[seed] {
        throw .sameSeed(path: record.path, other: other.path, seed: seed)
      }
      seeds[seed] = record
    }
  }

  /// Names the folder, too, where runs of several folders would have one method:
  /// `flow-grpo/seed-1` and `tempflow/seed-1`.
  private static func tellApart(_ runs: [MeasuredRun], in paths: [String]) -> [MeasuredRun] {
    let folders = paths.map { URL(filePath: $0).standardizedFileURL.deletingLastPathComponent() }
    let known = Dictionary(grouping: zip(runs, folders), by: \.0.method)
      .mapValues { Set($0.map(\.1)) }
    return zip(runs, folders).map { run, folder in
      guard let others = known[run.method], others.count > 1 else { return run }
      let isPlain = Set(others.map(\.lastPathComponent)).count == others.count
      let name = isPlain ? folder.lastPathComponent : folder.path(percentEncoded: false)
      var run = run
      run.method = "\(name)/\(run.method)"
      run.name = "\(name)/\(run.name)"
      return run
    }
  }

  /// Throws unless both runs have the same evaluation protocol.
  private static func check(
    _ record: RunRecord, against first: RunRecord
  ) throws(ReportError) {
    if var one = first.summary?.evaluationProtocol, var other = record.summary?.evaluationProtocol {
      // Summaries of earlier versions have none.
      if one.promptsDigest == nil || other.promptsDigest == nil {
        (one.promptsDigest, other.promptsDigest) = (nil, nil)
      } else if one.promptsDigest == other.promptsDigest {
        // One file may have several names.
        other.prompts = one.prompts
      }
      guard one == other else {
        throw .differentProtocol(
          path: record.path, other: first.path, detail: difference(other, one))
      }
      return
    }
    // The summary is written at the end; until then there is the recipe.
    for key in [
      "evaluation.seed", "evaluation.steps", "evaluation.guidance_scale", "resolution", "dtype",
      "quantize_base", "max_sequence_length", "prompts.evaluation",
    ] {
      let values = [record, first].map { run in
        let text = run.setting(key) ?? "not recorded"
        return key == "prompts.evaluation" ? URL(filePath: text).lastPathComponent : text
      }
      guard values[0] == values[1] else {
        throw .differentProtocol(
          path: record.path, other: first.path, detail: "\(key): \(values[0]) and \(values[1])")
      }
    }
    guard let one = first.evaluations.last, let other = record.evaluations.last,
      one.reward == other.reward, one.overall.count == other.overall.count
    else {
      throw .differentProtocol(
        path: record.path, other: first.path, detail: "reward or number of prompts")
    }
  }

  /// The settings that differ, values in the order of the arguments.
  private static func difference(
    _ one: RunSummary.EvaluationProtocol, _ other: RunSummary.EvaluationProtocol
  ) -> String {
    func text(_ value: (some Any)?) -> String { value.map { "\($0)" } ?? "not recorded" }
    let pairs = [
      ("prompts", one.prompts, other.prompts),
      ("contents of the prompts", text(one.promptsDigest), text(other.promptsDigest)),
      ("prompt_count", "\(one.promptCount)", "\(other.promptCount)"),
      ("images_per_prompt", "\(one.imagesPerPrompt)", "\(other.imagesPerPrompt)"),
      ("seed", "\(one.seed)", "\(other.seed)"), ("steps", "\(one.steps)", "\(other.steps)"),
      ("guidance_scale", "\(one.guidanceScale)", "\(other.guidanceScale)"),
      ("image_size", text(one.imageSize), text(other.imageSize)),
      (
        "max_sequence_length", text(one.maxSequenceLength), text(other.maxSequenceLength)
      ),
      ("sampler", one.sampler, other.sampler), ("dtype", one.dtype, other.dtype),
      ("quantize_base", text(one.quantizeBase), text(other.quantizeBase)),
      ("weights", one.weights, other.weights), ("reward", one.reward, other.reward),
    ]
    return pairs.filter { $0.1 != $0.2 }.map { "\($0.0): \($0.1) and \($0.2)" }
      .joined(separator: ", ")
  }

  /// Protocol and machines.
  private static func details(_ records: [RunRecord]) -> [String] {
    guard let summary = records.compactMap(\.summary).first else { return [] }
    let way = summary.evaluationProtocol
    let machines = Set(records.compactMap(machine)).sorted()
    return [
      "Measured: \(way.reward) on \(way.promptCount) held-out prompts, \(way.weights) weights, "
        + "\(way.steps) steps, guidance \(Figures.setting(way.guidanceScale)), seed \(way.seed).",
      machines.count == 1
        ? "Machine: \(machines[0])."
        : "Machines: \(machines.joined(separator: "; ")). A difference at equal time may be one of "
          + "machines.",
      "Training time is that of whole epochs; evaluations and checkpoints are not counted.",
    ]
  }

  /// What a run's seconds depend on beside its recipe; nil before its summary is written.
  private static func machine(_ record: RunRecord) -> String? {
    guard let machine = record.summary?.machine else { return nil }
    let processes = max(1, record.timings.ranks.ranks.count)
    let threads = record.setting("threads").map { ", threads: \($0)" } ?? ""
    return "\(machine.processor), \(machine.cores) cores, \(machine.system), "
      + "libtorch \(machine.torch), \(machine.device)\(threads)"
      + (processes > 1 ? ", \(processes) processes" : "")
  }
}
