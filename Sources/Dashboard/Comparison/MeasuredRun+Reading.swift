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
    self.init(
      method: MeasuredRun.method(of: run.name), name: run.name, points: points,
      epochs: run.epochCount, prompts: last.overall.count)
    isFinished = run.isFinished
  }
}

extension Comparison {
  /// Reads run directories with one evaluation protocol.
  ///
  /// - Throws: `ReportError` when a run cannot be read, has no evaluation, is given twice, or
  ///   differs from the first in its evaluation protocol.
  package static func read(
    _ paths: [String], labels: [String: String] = [:]
  ) throws(ReportError) -> (comparison: Comparison, details: [String]) {
    var seen: Set<String> = []
    var records: [RunRecord] = []
    for path in paths {
      guard seen.insert(URL(filePath: path).standardizedFileURL.path).inserted else {
        throw .givenTwice(path: path)
      }
      let record = try RunRecord(path)
      try check(record, against: records.first)
      records.append(record)
    }
    let runs = try records.map { record throws(ReportError) in try MeasuredRun(record) }
    return (
      Comparison(
        runs: tellApart(runs, in: records.map(\.path)), scale: records[0].scoreScale,
        labels: labels),
      details(records)
    )
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
    _ record: RunRecord, against first: RunRecord?
  ) throws(ReportError) {
    guard let first else { return }
    if let one = first.summary?.evaluationProtocol, let other = record.summary?.evaluationProtocol {
      guard one == other else {
        throw .differentProtocol(
          path: record.path, other: first.path, detail: difference(other, one))
      }
      return
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

  /// Protocol and machine, one line each.
  private static func details(_ records: [RunRecord]) -> [String] {
    guard let summary = records.compactMap(\.summary).first else { return [] }
    let way = summary.evaluationProtocol
    let machine = summary.machine
    return [
      "Measured: \(way.reward) on \(way.promptCount) held-out prompts, \(way.weights) weights, "
        + "\(way.steps) steps, guidance \(Figures.setting(way.guidanceScale)), seed \(way.seed).",
      "Machine: \(machine.processor), \(machine.cores) cores, \(machine.system), "
        + "libtorch \(machine.torch), \(machine.device).",
      "Training time counts rollout and learning; evaluations and checkpoints are not counted.",
    ]
  }
}
