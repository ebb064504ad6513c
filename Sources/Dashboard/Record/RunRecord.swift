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
  var name: String { URL(filePath: path).standardizedFileURL.lastPathComponent }

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

  /// The text of a setting of the resolved recipe by its dotted path, of a list with commas; nil
  /// without one.
  func setting(_ path: String) -> String? {
    let texts = settings.texts(at: path)
    return texts.isEmpty ? nil : texts.joined(separator: ", ")
  }

  /// The settings, other than the seed, that differ from those of another run and decide what an
  /// epoch computes: `loss.kl_beta: 0.04 and 0`, the value here first.
  ///
  /// A setting that only one of them has is of another version of the program, unless it is one of
  /// a trained reward. Of paths the last component counts.
  func differences(from other: RunRecord) -> [String] {
    func values(_ record: RunRecord) -> [(path: String, text: String)] {
      record.settings.leaves.compactMap { leaf in
        let key = leaf.path.split(separator: ".").last ?? ""
        let isOther =
          ["seed", "threads"].contains(leaf.path) || key == "device"
          || ["evaluation.", "held_out_rewards."].contains(where: leaf.path.hasPrefix)
        let isPath = ResumableSettings.isPath(leaf.path)
        guard !isOther, isPath || !ResumableSettings.mayChange(leaf.path) else { return nil }
        return (leaf.path, isPath ? URL(filePath: leaf.text).lastPathComponent : leaf.text)
      }
    }
    let (here, there) = (values(self), values(other))
    let found = Dictionary(there.map { ($0.path, $0.text) }, uniquingKeysWith: { $1 })
    let own = Set(here.map(\.path))
    let changed = here.compactMap { path, text -> String? in
      let another = found[path] ?? (path.hasPrefix("rewards.") ? "absent" : text)
      return another == text ? nil : "\(path): \(text) and \(another)"
    }
    let gone = there.filter { $0.path.hasPrefix("rewards.") && !own.contains($0.path) }
    return changed + gone.map { "\($0.path): absent and \($0.text)" }
  }

  /// The numbers of a setting that is a number or a list of them.
  func numbers(_ path: String) -> [Double] { settings.texts(at: path).compactMap(Double.init) }
}
