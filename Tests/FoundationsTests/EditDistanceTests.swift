import Foundations
import Testing

struct EditDistanceTests {
  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("epoch", "epochs", 1),
    ("epcohs", "epochs", 1), ("ab", "ba", 1), ("abc", "abc", 0), ("für", "fur", 1),
  ])
  func `the distance counts insertions, deletions, substitutions and swaps`(
    _ first: String, _ second: String, _ expected: Int
  ) {
    let (one, other) = (Array(first.unicodeScalars), Array(second.unicodeScalars))
    #expect(editDistance(one, other, swaps: true) == expected)
    #expect(editDistance(other, one, swaps: true) == expected)
  }

  @Test func `a swap is two substitutions for the Levenshtein distance`() {
    #expect(editDistance(Array("ab"), Array("ba")) == 2)
    #expect(editDistance(Array("epcohs"), Array("epochs")) == 2)
    #expect(editDistance(Array("kitten"), Array("sitting")) == 3)
  }

  @Test func `the nearest candidate is found of a typing error`() {
    let keys = ["epochs", "seed", "learning_rate", "clip_range"]
    #expect(nearest(to: "epoch", among: keys) == "epochs")
    #expect(nearest(to: "Epochs", among: keys) == "epochs")
    #expect(nearest(to: "learningRate", among: keys) == "learning_rate")
    #expect(nearest(to: "sede", among: keys) == "seed")
  }

  @Test func `a name unlike every candidate has no nearest one`() {
    #expect(nearest(to: "color", among: ["epochs", "seed"]) == nil)
    #expect(nearest(to: "x", among: ["y"]) == nil)
    #expect(nearest(to: "x", among: []) == nil)
  }
}
