import Dashboard
import Runs
import Testing

struct BranchTreeTests {
  @Test(arguments: [(2, 2), (5, 8), (10, 6), (10, 24), (40, 3)])
  func `all branches lie on the picture, none on another`(steps: Int, branches: Int) throws {
    try withTemporaryFolder { folder in
      let tree = try SyntheticImages.tree(steps: steps, branches: branches, in: folder)
      let text = BranchTreePicture(tree: tree) { $0 }.picture(id: "t").rendered()
      let size = try #require(text.firstMatch(of: /viewBox="0 0 ([0-9.]+) ([0-9.]+)"/)?.output)
      let (width, height) = (try #require(Double(size.1)), try #require(Double(size.2)))
      let tiles = text.matches(
        of: /<image href="step[^"]*" x="([0-9.-]+)" y="([0-9.-]+)" width="([0-9.]+)"/)
      #expect(tiles.count == (steps - 1) * branches)
      var places: [(x: Double, y: Double, side: Double)] = []
      for tile in tiles {
        let x = try #require(Double(tile.output.1))
        let y = try #require(Double(tile.output.2))
        let side = try #require(Double(tile.output.3))
        #expect(x >= 0 && y >= 0 && x + side <= width && y + side <= height)
        #expect(places.allSatisfy { abs($0.x - x) >= side || abs($0.y - y) >= side })
        places.append((x, y, side))
      }
    }
  }

  @Test func `color follows the sign of the advantage, and a missing reward is written out`()
    throws
  {
    try withTemporaryFolder { folder in
      var tree = try SyntheticImages.tree(steps: 2, branches: 3, in: folder)
      tree.branches[0].advantage = 1.2
      tree.branches[1].advantage = -0.8
      tree.branches[2].advantage = nil
      tree.branches[2].reward = nil
      let text = BranchTreePicture(tree: tree) { $0 }.picture(id: "t").rendered()
      #expect(text.matches(of: /class="twig good"/).count == 1)
      #expect(text.matches(of: /class="twig bad"/).count == 1)
      #expect(text.matches(of: /class="twig even"/).count == 1)
      #expect(text.contains(">no reward</text>") && text.contains("advantage +1.20"))
    }
  }

  @Test func `branches with a positive advantage are above the trunk, the others below`() throws {
    try withTemporaryFolder { folder in
      var tree = try SyntheticImages.tree(steps: 2, branches: 5, in: folder)
      for index in tree.branches.indices {
        tree.branches[index].reward = index == 3 ? 0 : 1
        tree.branches[index].advantage = index == 3 ? -2 : 0.5
      }
      let text = BranchTreePicture(tree: tree) { $0 }.picture(id: "t").rendered()
      let trunk = try #require(text.firstMatch(of: /class="trunk"[^>]* y1="([0-9.]+)"/))
      let line = try #require(Double(trunk.output.1))
      let tiles = text.matches(of: /href="step-0-branch-([0-9])\.png" x="[0-9.]+" y="([0-9.]+)"/)
      #expect(tiles.count == 5)
      for tile in tiles {
        let y = try #require(Double(tile.output.2))
        #expect((y > line) == (tile.output.1 == "3"))
      }
    }
  }

  @Test func `an image that is missing leaves an empty frame`() throws {
    try withTemporaryFolder { folder in
      let tree = try SyntheticImages.tree(steps: 2, branches: 2, in: folder)
      let text = BranchTreePicture(tree: tree) { $0.contains("branch-1") ? nil : $0 }
        .picture(id: "t").rendered()
      #expect(text.matches(of: /class="missing"/).count == 1)
      #expect(text.contains("the image file is missing"))
    }
  }
}
