import Foundation
import Foundations
import ImageFiles

/// Every prompt of the `shapes` task, divided into a training file and a held-out file.
///
/// A text is a lead ("a photo of "), the objects, and an ending (" on black"). The two files have
/// no text in common. For tags with few meanings, such as five single shapes, only wordings are
/// held out; for `color_attr` whole combinations of shapes and colors are, in either order. The
/// training file has an equal number of lines for every tag, so the texts of small tags repeat.
package enum ShapeGrammar {
  /// Lines of the training file per tag.
  package static let trainingPerTag = 1000

  /// The training and the held-out prompts; every call returns the same ones.
  package static func prompts() -> (training: [ScenePrompt], heldOut: [ScenePrompt]) {
    var generator = SplitMix64(seed: 0x5AFE_5CE9)
    var training: [ScenePrompt] = []
    var heldOut: [ScenePrompt] = []
    for pool in pools() {
      let order = generator.shuffled(pool.prompts)
      let held =
        pool.holdsMeanings
        ? firstOfEachMeaning(order, pool.heldOut) : Array(order[..<pool.heldOut])
      heldOut += held
      let texts = Set(held.map(\.prompt))
      let meanings = pool.holdsMeanings ? Set(held.map { Set($0.include) }) : []
      let rest = order.filter {
        !texts.contains($0.prompt) && !meanings.contains(Set($0.include))
      }
      training += (0..<pool.training).map { rest[$0 % rest.count] }
    }
    return (generator.shuffled(training), generator.shuffled(heldOut))
  }

  /// Writes `train.jsonl` and `held-out.jsonl` into the folder, which must exist.
  package static func write(to folder: String) throws(PromptFileError) {
    let (training, heldOut) = prompts()
    try PromptFile.write(training, to: folder + "/train.jsonl")
    try PromptFile.write(heldOut, to: folder + "/held-out.jsonl")
  }

  /// Every word of the prompts, sorted.
  package static var vocabulary: [String] {
    let (training, heldOut) = prompts()
    var words: Set<String> = []
    for prompt in training + heldOut {
      words.formUnion(prompt.prompt.split(separator: " ").map(String.init))
    }
    return words.sorted()
  }

  /// The prompts of one tag, or of a part of it.
  private struct Pool {
    var prompts: [ScenePrompt]
    var training = ShapeGrammar.trainingPerTag
    var heldOut = 90
    /// Whether the meanings of held-out prompts are kept out of the training file, beside their
    /// texts.
    var holdsMeanings = false
  }

  private static func pools() -> [Pool] {
    let half = trainingPerTag / 2
    return [
      Pool(prompts: singles(), heldOut: 50),
      Pool(prompts: pairs()),
      Pool(prompts: counts(colors: [nil]), training: half, heldOut: 45),
      Pool(prompts: counts(colors: SceneColor.allCases), training: half, heldOut: 45),
      Pool(prompts: colored()),
      Pool(prompts: positions()),
      Pool(prompts: attributed(), holdsMeanings: true),
    ]
  }

  private static func firstOfEachMeaning(
    _ prompts: [ScenePrompt], _ count: Int
  ) -> [ScenePrompt] {
    var seen: Set<Set<ScenePrompt.Requirement>> = []
    var result: [ScenePrompt] = []
    for prompt in prompts where result.count < count {
      if seen.insert(Set(prompt.include)).inserted { result.append(prompt) }
    }
    return result
  }
}

/// The wordings, tag by tag.
extension ShapeGrammar {
  private static let leads = ["a photo of ", "a picture of ", "an image of ", "a drawing of ", ""]
  private static let endings = ["", " on black"]
  private static let joins = [" and ", " with "]
  private static let numbers = [2: "two", 3: "three", 4: "four"]

  private static func worded(
    _ tag: ScenePrompt.Tag, _ include: [ScenePrompt.Requirement],
    exclude: [ScenePrompt.Limit]? = nil, _ phrase: String
  ) -> [ScenePrompt] {
    leads.flatMap { lead in
      endings.map { ending in
        ScenePrompt(tag: tag, include: include, exclude: exclude, prompt: lead + phrase + ending)
      }
    }
  }

  private static func singles() -> [ScenePrompt] {
    SceneShape.allCases.flatMap { shape in
      ["a", "one"].flatMap { article in
        worded(.singleObject, [.init(shape)], "\(article) \(shape.rawValue)")
      }
    }
  }

  private static func pairs() -> [ScenePrompt] {
    distinctPairs(SceneShape.allCases).flatMap { first, second in
      joins.flatMap { join in
        worded(
          .twoObject, [.init(first), .init(second)],
          "a \(first.rawValue)\(join)a \(second.rawValue)")
      }
    }
  }

  private static func counts(colors: [SceneColor?]) -> [ScenePrompt] {
    SceneShape.allCases.flatMap { shape in
      colors.flatMap { color in
        (2...4).flatMap { count in
          let kind = color.map { "\($0.rawValue) \(shape.plural)" } ?? shape.plural
          return worded(
            .counting, [.init(shape, count: count, color: color)],
            exclude: [.init(shape, count: count + 1)], "\(numbers[count] ?? "") \(kind)")
        }
      }
    }
  }

  private static func colored() -> [ScenePrompt] {
    SceneShape.allCases.flatMap { shape in
      SceneColor.allCases.flatMap { color in
        worded(.colors, [.init(shape, color: color)], "a \(color.rawValue) \(shape.rawValue)")
      }
    }
  }

  private static func positions() -> [ScenePrompt] {
    distinctPairs(SceneShape.allCases).flatMap { subject, reference in
      SpatialRelation.allCases.flatMap { relation in
        worded(
          .position, [.init(reference), .init(subject, position: .init(relation, 0))],
          "a \(subject.rawValue) \(relation.rawValue) a \(reference.rawValue)")
      }
    }
  }

  private static func attributed() -> [ScenePrompt] {
    distinctPairs(SceneShape.allCases).flatMap { first, second in
      distinctPairs(SceneColor.allCases).flatMap { firstColor, secondColor in
        joins.flatMap { join in
          worded(
            .colorAttribution,
            [.init(first, color: firstColor), .init(second, color: secondColor)],
            "a \(firstColor.rawValue) \(first.rawValue)\(join)a "
              + "\(secondColor.rawValue) \(second.rawValue)")
        }
      }
    }
  }

  private static func distinctPairs<Element: Equatable>(
    _ elements: [Element]
  ) -> [(Element, Element)] {
    elements.flatMap { first in
      elements.filter { $0 != first }.map { (first, $0) }
    }
  }
}
