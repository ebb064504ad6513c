import Runs

/// The branch tree of one prompt.
struct TreeSection {
  let tree: BranchTree?
  /// Data URIs of the tree's images by file name; a missing file has none.
  let links: [String: String]

  /// Reads the images that a run's tree names.
  init(_ run: RunRecord) throws(ReportError) {
    tree = run.tree
    var links: [String: String] = [:]
    if let tree {
      let names =
        tree.branches.map(\.image) + tree.trunk.compactMap(\.image)
        + [tree.trunkImage, tree.source].compactMap { $0 }
      for name in Set(names) { links[name] = try RunFiles.link("\(run.path)/tree/\(name)") }
    }
    self.links = links
  }

  /// The source image of an edit; nothing for a prompt without.
  private func source(_ tree: BranchTree) -> Markup {
    guard let link = tree.source.flatMap({ links[$0] }) else { return .fragment([]) }
    return element("ul", ["class": "samples"]) {
      element("li") {
        element("img", ["src": link, "alt": "\(tree.prompt), source image"])
        element("p") { "The source image." }
      }
    }
  }

  func markup() -> Markup {
    guard let tree else {
      return element("p", ["class": "notice"]) {
        "No branch tree has been recorded. It is drawn at the end of a run; a method without "
        "branches has none."
      }
    }
    let picture = BranchTreePicture(tree: tree) { links[$0] }
    return .fragment([
      element("p") {
        element("b") { "“\(tree.prompt)”" }
        ", rolled out after \(tree.epoch) epochs."
      },
      source(tree),
      element("p", ["class": "quiet"]) {
        "The trunk runs without noise from left to right; its nodes show the predicted original at "
        "that step. At each step branches leave it by one noisy step, and each branch is "
        "finished without noise and scored, so a reward belongs to one step. The best branch is on "
        "top: green for a positive advantage, red for a negative one, gray for none. The number "
        "is the reward."
      },
      element("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Tree"]) {
        element("div", ["class": "tree", "style": "min-width:\(picture.readableWidth)px"]) {
          picture.picture(id: "tree-picture")
        }
      },
      element("details") {
        element("summary") { "Numbers" }
        element("div", ["class": "scroll", "tabindex": "0"]) { picture.table() }
      },
    ])
  }
}
