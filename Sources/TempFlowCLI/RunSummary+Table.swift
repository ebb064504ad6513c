import Foundation
import Runs

extension RunSummary {
  /// Held-out accuracy before and after, per tag, as a person reads it.
  var table: String {
    let names = ["overall"] + after.tags.keys.sorted()
    let width = names.map(\.count).max() ?? 0
    let head =
      "".padding(toLength: width, withPad: " ", startingAt: 0)
      + "  prompts   before              after               change"
    let lines = names.map { name -> String in
      let first = name == "overall" ? before.overall : before.tags[name]
      let last = name == "overall" ? after.overall : after.tags[name]
      return name.padding(toLength: width, withPad: " ", startingAt: 0)
        + String(format: "  %7d   ", last?.count ?? 0) + column(first) + column(last)
        + change(first, last)
    }
    return ([head] + lines + ["", closing]).joined(separator: "\n")
  }

  private func column(_ score: Score?) -> String {
    guard let score else { return "".padding(toLength: 20, withPad: " ", startingAt: 0) }
    let error = score.standardError.map { String(format: " +- %.3f", $0) } ?? ""
    return (String(format: "%.3f", score.mean) + error)
      .padding(toLength: 20, withPad: " ", startingAt: 0)
  }

  private func change(_ first: Score?, _ last: Score?) -> String {
    guard let first, let last else { return "" }
    return String(format: "%+.3f", last.mean - first.mean)
  }

  private var closing: String {
    let minutes = String(format: "%.1f", trainingSeconds / 60)
    let state = isFinished ? "" : ", stopped before the end"
    return "\(evaluationProtocol.reward), \(evaluationProtocol.weights) weights, "
      + "\(evaluationProtocol.steps) steps by \(evaluationProtocol.sampler), guidance "
      + "\(evaluationProtocol.guidance), seed \(evaluationProtocol.seed); "
      + "\(epochs) epochs, \(minutes) minutes of training\(state)"
  }
}
