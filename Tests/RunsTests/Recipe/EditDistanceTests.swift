import Runs
import Testing

struct EditDistanceTests {
  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("epoch", "epochs", 1),
    ("epcohs", "epochs", 1), ("ab", "ba", 1), ("abc", "abc", 0), ("für", "fur", 1),
  ])
  func `the distance counts insertions, deletions, substitutions and swaps`(
    _ first: String, _ second: String, _ expected: Int
  ) {
    #expect(editDistance(first, second) == expected)
    #expect(editDistance(second, first) == expected)
  }

  @Test func `the nearest candidate is found for a slip of the pen`() {
    let keys = ["epochs", "seed", "learning_rate", "clip_range"]
    #expect(nearest(to: "epoch", among: keys) == "epochs")
    #expect(nearest(to: "Epochs", among: keys) == "epochs")
    #expect(nearest(to: "learningRate", among: keys) == "learning_rate")
    #expect(nearest(to: "sede", among: keys) == "seed")
  }

  @Test func `what is not like any candidate has no nearest one`() {
    #expect(nearest(to: "colour", among: ["epochs", "seed"]) == nil)
    #expect(nearest(to: "x", among: ["y"]) == nil)
    #expect(nearest(to: "x", among: []) == nil)
  }
}
