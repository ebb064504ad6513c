import Foundation
import Recipes
import Runs

/// The content of a run directory that a report shows. Files that an unfinished run has not written
/// yet are nil or empty.
struct RunRecord {
  /// The run directory.
  let path: String
  /// The resolved recipe, YAML.
  let recipe: String
  private let settings: RecipeDocument
  let summary: RunSummary?
  let epochs: [EpochRecord]
  /// In order; the first is the model before training.
  let evaluations: [EvaluationRecord]
  let timings: Timings
  /// The first and the last sample grid; `after` is nil when there is only one.
  let before: SampleTiles?
  let after: SampleTiles?
  let tree: BranchTree?

  /// The directory's name.
  var name: String { URL(filePath: path).lastPathComponent }

  /// Reads a run directory.
  ///
  /// - Throws: `run(.noRun)` where there is none, and an error with file and line for damaged
  ///   content.
  init(_ path: String) throws(ReportError) {
    do { try RunDirectory.checkReadable(path) } catch { throw .run(error) }
    self.path = path
    recipe = try RunFiles.text(path + "/recipe.yaml")
    do {
      settings = try RecipeDocument(text: recipe, name: path + "/recipe.yaml", folder: path)
    } catch {
      throw .recipe(error)
    }
    if RunFiles.exists(path + "/summary.json") {
      do { summary = try RunSummary.read(path + "/summary.json") } catch { throw .run(error) }
    } else {
      summary = nil
    }
    var epochs: [EpochRecord] = []
    var evaluations: [EvaluationRecord] = []
    for line in try LogLine.read(path + "/metrics.jsonl") {
      switch try line.kind() {
      case MetricKind.epoch.rawValue: epochs.append(try EpochRecord(line))
      case MetricKind.evaluation.rawValue:
        evaluations.append(try EvaluationRecord(line))
      default: break
      }
    }
    self.epochs = epochs
    self.evaluations = evaluations
    timings = try Timings(try LogLine.read(path + "/timings.jsonl"))
    let sheets = try SampleTiles.ends(of: path + "/samples")
    before = sheets.first
    after = sheets.count > 1 ? sheets.last : nil
    tree = try RunFiles.record(BranchTree.self, path + "/tree/tree.json")
  }

  /// Whether the run finished; false while it goes on and after it was stopped.
  var isFinished: Bool { summary?.isFinished ?? false }

  /// How the scores of the evaluations are shown.
  var scoreScale: ScoreScale {
    ScoreScale(evaluations.last?.reward ?? summary?.evaluationProtocol.reward ?? "score")
  }

  /// Epochs completed.
  var epochCount: Int { max(summary?.epochs ?? 0, epochs.last?.epoch ?? 0) }

  /// Images generated and scored for training.
  var imageCount: Int { epochs.compactMap(\.images).reduce(0, +) }

  /// The text of a setting of the resolved recipe by its dotted path; nil without one.
  func setting(_ path: String) -> String? { settings.text(at: path) }

  /// The numbers of a setting that is a number or a list of them.
  func numbers(_ path: String) -> [Double] { settings.texts(at: path).compactMap(Double.init) }
}
