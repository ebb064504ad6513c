import Foundation
import Foundations
import Runs

/// The report of a run: one self-contained HTML page without scripts or outside resources. Images
/// are data URIs; charts are inline SVG with their numbers in tables beside them.
package enum Report {
  /// Writes `report.html` into a run directory, or to another path.
  ///
  /// The report of an unfinished run lists what is missing.
  ///
  /// - Throws: `ReportError` when there is no run, or a file of it is damaged.
  package static func write(
    run path: String, to output: String? = nil
  ) throws(ReportError) -> ReportOutcome {
    let run = try RunRecord(path)
    let target = output ?? path + "/report.html"
    let page = "<!DOCTYPE html>\n" + (try Report.page(run)).rendered()
    do { try AtomicFile.write(page, to: target) } catch { throw .run(.file(error)) }
    return ReportOutcome(run, report: target, bytes: page.utf8.count)
  }

  /// One part of the page.
  private struct Section {
    var id: String
    var title: String
    var content: Markup
  }

  private static func page(_ run: RunRecord) throws(ReportError) -> Markup {
    let sections = try sections(run)
    let title = "TempFlow run \(run.name)"
    return element("html", ["lang": "en"]) {
      element("head") {
        element("meta", ["charset": "utf-8"])
        element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        element("meta", ["name": "color-scheme", "content": "light dark"])
        element("title") { title }
        element("style") { PageStyle.sheet }
      }
      element("body") {
        header(run, sections)
        element("main") {
          HeadlineSection(run: run).markup()
          for section in sections {
            element("section", ["aria-labelledby": section.id]) {
              element("h2", ["id": section.id]) { section.title }
              section.content
            }
          }
        }
        element("footer") { "Written by tempflow report from \(run.name)." }
      }
    }
  }

  private static func header(_ run: RunRecord, _ sections: [Section]) -> Markup {
    element("header") {
      element("h1") { run.name }
      element("p", ["class": "quiet"]) {
        if let summary = run.summary {
          "Recipe \(summary.recipe), seed \(summary.seed), \(summary.epochs) epochs"
          summary.isFinished ? ", finished." : ", stopped before the end."
        } else {
          "A run in progress."
        }
      }
      element("nav", ["aria-label": "Sections"]) {
        for section in sections {
          element("a", ["href": "#\(section.id)"]) { section.title }
        }
      }
    }
  }

  private static func sections(_ run: RunRecord) throws(ReportError) -> [Section] {
    let rewards = RewardsSection(run: run).markup().map {
      Section(id: "rewards", title: "Trained and held-out rewards", content: $0)
    }
    return [
      Section(id: "curves", title: "Learning curves", content: CurvesSection(run: run).markup())
    ] + (rewards.map { [$0] } ?? []) + [
      Section(
        id: "by-tag", title: TagsSection(run: run).heading,
        content: TagsSection(run: run).markup()),
      Section(
        id: "samples", title: "Before and after",
        content: SamplesSection(before: run.before, after: run.after).markup()),
      Section(id: "tree", title: "A branch tree", content: try TreeSection(run).markup()),
      Section(id: "time", title: "Time per phase", content: TimeSection(run: run).markup()),
      Section(id: "health", title: "Health", content: HealthSection(run: run).markup()),
      Section(id: "recipe", title: "The resolved recipe", content: recipe(run)),
      Section(id: "machine", title: "Machine", content: MachineSection(run: run).markup()),
    ]
  }

  private static func recipe(_ run: RunRecord) -> Markup {
    element("pre", ["tabindex": "0"]) { run.recipe }
  }
}
