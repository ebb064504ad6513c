package import Runs

/// The branch tree of one prompt as a picture.
///
/// The trunk runs along a line from noise on the left to its image on the right. At each branch
/// step its branches fan out to their finished images, best on top: branches above the line have a
/// positive advantage, branches below a negative one. Frame and line have the color of the
/// advantage's sign. The reward is written under each image, so color is never the only sign.
package struct BranchTreePicture {
  /// The tree.
  package let tree: BranchTree
  /// Data URI of an image named in the tree; nil where the file is missing.
  package let imageLink: (String) -> String?

  /// Makes a picture; `imageLink` is called once per image.
  package init(tree: BranchTree, imageLink: @escaping (String) -> String?) {
    self.tree = tree
    self.imageLink = imageLink
  }

  /// Least width; trees of many steps are wider.
  private static let leastWidth = 960.0
  private static let leastPitch = 84.0
  private static let margin = 34.0
  private static let caption = 17.0

  private struct Column {
    var step: Int
    /// Best reward first; those without a reward last.
    var branches: [BranchTree.Branch]
    /// Branches above the trunk.
    var above: Int
  }

  /// Branches by step, in the order they are drawn.
  private var columns: [Column] {
    let steps = Set(tree.branches.map(\.step)).sorted()
    return steps.map { step in
      let branches = tree.branches.filter { $0.step == step }.sorted { left, right in
        let (a, b) = (left.reward ?? -.infinity, right.reward ?? -.infinity)
        return a == b ? left.index < right.index : a > b
      }
      return Column(
        step: step, branches: branches, above: BranchTreePicture.countAbove(branches))
    }
  }

  /// Number of a step's branches, best first, that stand above the trunk: those with a positive
  /// advantage; half where every advantage is 0.
  private static func countAbove(_ branches: [BranchTree.Branch]) -> Int {
    let better = branches.prefix { ($0.advantage ?? 0) > 0 }.count
    let differs = branches.contains { ($0.advantage ?? 0) != 0 }
    return differs ? better : (branches.count + 1) / 2
  }

  /// Places and sizes that every part of the picture uses.
  private struct Layout {
    var width: Double
    var pitch: Double
    var tile: Double
    var trunk: Double
    var height: Double

    init(columns: [Column]) {
      let count = Double(max(1, columns.count))
      let margins = 2 * BranchTreePicture.margin + 70
      width = max(BranchTreePicture.leastWidth, count * BranchTreePicture.leastPitch + margins)
      pitch = (width - margins) / count
      tile = min(60, max(28, pitch * 0.42))
      let row = tile + BranchTreePicture.caption
      let above = Double(columns.map(\.above).max() ?? 0)
      let below = Double(columns.map { $0.branches.count - $0.above }.max() ?? 0)
      trunk = 26 + above * row + tile / 2 + 12
      height = trunk + tile / 2 + 26 + below * row + 34
    }

    /// Horizontal center of a column's node on the trunk.
    func node(_ column: Int) -> Double {
      BranchTreePicture.margin + tile / 2 + Double(column) * pitch
    }

    /// Top left corner of a branch's image; `row` counts the column's branches, best first.
    func corner(column: Int, row: Int, of column0: Column) -> (x: Double, y: Double) {
      let x = node(column) + tile / 2 + max(16, pitch * 0.16)
      let pitchY = tile + BranchTreePicture.caption
      if row < column0.above {
        return (x, trunk - tile / 2 - 12 - Double(column0.above - row) * pitchY)
      }
      return (x, trunk + tile / 2 + 26 + Double(row - column0.above) * pitchY)
    }
  }

  /// Least readable width, in pixels.
  package var readableWidth: Int { Int(Layout(columns: columns).width * 0.79) }

  /// The picture; `id` is unique on the page. A standalone picture contains its style sheet.
  package func picture(id: String, standalone: Bool = false) -> Markup {
    let columns = columns
    let layout = Layout(columns: columns)
    return Shape.picture(
      id: id, width: layout.width, height: layout.height,
      title: "Branch tree of the prompt “\(tree.prompt)”", description: description,
      standalone: standalone
    ) {
      trunkLine(layout)
      for (index, column) in columns.enumerated() {
        fan(column, index, layout)
      }
      for (index, column) in columns.enumerated() {
        node(column, index, layout)
      }
      trunkEnd(layout)
    }
  }

  private func trunkLine(_ layout: Layout) -> Markup {
    element("g") {
      Shape.line(
        "trunk", (4, layout.trunk),
        (layout.width - BranchTreePicture.margin - layout.tile, layout.trunk))
      Shape.label("quiet", 4, 14, "↑ better than the baseline", anchor: "start")
      Shape.label("quiet", 4, layout.height - 6, "↓ worse than the baseline", anchor: "start")
    }
  }

  private func node(_ column: Column, _ index: Int, _ layout: Layout) -> Markup {
    let x = layout.node(index)
    let point = tree.trunk.first { $0.step == column.step }
    let sigma = tree.sigmas.indices.contains(column.step) ? tree.sigmas[column.step] : nil
    return element("g") {
      if let link = point?.image.flatMap(imageLink) {
        tile(
          link, (x - layout.tile / 2, layout.trunk - layout.tile / 2), size: layout.tile,
          style: "even", title: "Trunk before step \(column.step): the predicted original")
      } else {
        Shape.circle("node", (x, layout.trunk), radius: 7)
      }
      Shape.label(
        "quiet", x, layout.trunk + layout.tile / 2 + 14,
        sigma.map { "step \(column.step) · σ \(Figures.fixed($0, 2))" } ?? "step \(column.step)",
        anchor: "middle")
    }
  }

  private func fan(_ column: Column, _ index: Int, _ layout: Layout) -> Markup {
    element("g") {
      for (row, branch) in column.branches.enumerated() {
        let corner = layout.corner(column: index, row: row, of: column)
        let style = BranchTreePicture.style(branch.advantage)
        element(
          "path",
          [
            "class": "twig \(style)",
            "d": twig(from: layout.node(index), to: corner, layout),
          ])
        if let link = imageLink(branch.image) {
          tile(link, corner, size: layout.tile, style: style, title: title(branch))
        } else {
          Shape.rectangle(
            "missing", x: corner.x, y: corner.y, width: layout.tile, height: layout.tile,
            title: "\(title(branch)); the image file is missing")
        }
        Shape.label(
          "score \(style)", corner.x + layout.tile / 2, corner.y + layout.tile + 12,
          branch.reward.map { Figures.fixed($0, 3) } ?? "no reward", anchor: "middle")
      }
    }
  }

  /// A curve that leaves the trunk sideways, climbs in the gap beside the images and ends at one.
  private func twig(from x: Double, to corner: (x: Double, y: Double), _ layout: Layout) -> String {
    let start = x + layout.tile / 2
    let end = corner.y + layout.tile / 2
    let gap = corner.x - start
    let c = Figures.coordinate
    return "M\(c(start)) \(c(layout.trunk)) C\(c(start + gap * 0.95)) \(c(layout.trunk)) "
      + "\(c(start + gap * 0.05)) \(c(end)) \(c(corner.x)) \(c(end))"
  }

  private func trunkEnd(_ layout: Layout) -> Markup {
    let corner = (
      x: layout.width - BranchTreePicture.margin - layout.tile,
      y: layout.trunk - layout.tile / 2
    )
    return element("g") {
      if let link = tree.trunkImage.flatMap(imageLink) {
        tile(link, corner, size: layout.tile, style: "even", title: "The trunk's own image")
      } else {
        Shape.circle("node", (corner.x + 7, layout.trunk), radius: 7)
      }
      Shape.label(
        "quiet", corner.x + layout.tile / 2, layout.trunk + layout.tile / 2 + 14,
        tree.trunkReward.map { "trunk · \(Figures.fixed($0, 3))" } ?? "trunk", anchor: "middle")
    }
  }

  private func tile(
    _ link: String, _ corner: (x: Double, y: Double), size: Double, style: String, title: String
  ) -> Markup {
    element("g", ["class": style]) {
      element(
        "image",
        [
          "href": link, "x": Figures.coordinate(corner.x), "y": Figures.coordinate(corner.y),
          "width": Figures.coordinate(size), "height": Figures.coordinate(size),
        ])
      Shape.rectangle(
        "frame", x: corner.x, y: corner.y, width: size, height: size, corner: 2, title: title)
    }
  }

  /// Style class of an advantage: `good`, `bad`, or `even` when there is none or |A| < 0.05.
  private static func style(_ advantage: Double?) -> String {
    guard let advantage, abs(advantage) >= 0.05 else { return "even" }
    return advantage > 0 ? "good" : "bad"
  }

  private func title(_ branch: BranchTree.Branch) -> String {
    let reward = branch.reward.map { "reward \(Figures.short($0))" } ?? "no reward"
    let advantage = branch.advantage.map { ", advantage \(Figures.signed($0, 2))" } ?? ""
    return "Step \(branch.step), branch \(branch.index): \(reward)\(advantage)"
  }

  private var description: String {
    let steps = columns.map { column in
      let rewards = column.branches.compactMap(\.reward)
      guard let best = rewards.max(), let worst = rewards.min() else {
        return "Step \(column.step): \(column.branches.count) branches, none with a reward."
      }
      return "Step \(column.step): \(column.branches.count) branches, rewards from "
        + "\(Figures.short(worst)) to \(Figures.short(best))."
    }
    return "A trunk from noise to image, with branches at \(columns.count) steps. "
      + steps.joined(separator: " ")
  }

  /// The same numbers, one row a branch.
  package func table() -> Markup {
    element("table") {
      element("caption") { "Branches of “\(tree.prompt)”" }
      element("thead") {
        element("tr") {
          for name in ["Step", "Sigma", "Branch", "Reward", "Advantage"] {
            element("th", ["scope": "col"]) { name }
          }
        }
      }
      element("tbody") {
        for branch in columns.flatMap(\.branches) {
          element("tr") {
            element("td") { "\(branch.step)" }
            element("td") {
              tree.sigmas.indices.contains(branch.step)
                ? Figures.fixed(tree.sigmas[branch.step], 3) : "–"
            }
            element("td") { "\(branch.index)" }
            element("td") { branch.reward.map { Figures.fixed($0, 3) } ?? "–" }
            element("td") { branch.advantage.map { Figures.signed($0, 2) } ?? "–" }
          }
        }
      }
    }
  }
}
