import Foundation
import Foundations
import ImageFiles

/// Every prompt of the `shapes` task, divided into a training file and a held-out file, and a
/// validation file, with which settings are chosen.
///
/// A text is a lead ("a photo of "), the objects, and an ending (" on black"). No two files have a
/// text in common. For tags with few meanings, such as five single shapes, only wordings are
/// held out; for `color_attr` whole combinations of shapes and colors are, in either order. The
/// training file has an equal number of lines for every tag, so the texts of small tags repeat.
/// Training and held-out file use up all texts of four tags, so validation prompts have leads of
/// their own, made of the same words ("one photo of ").
package enum ShapeGrammar {
  /// Lines of the training file per tag.
  package static let trainingPerTag = 1000

  /// The training and the held-out prompts; every call returns the same ones.
  package static func prompts() -> (training: [ScenePrompt], heldOut: [ScenePrompt]) {
    var generator = SplitMix64(seed: 0x5AFE_5CE9)
    var training: [ScenePrompt] = []
    var heldOut: [ScenePrompt] = []
    for pool in pools(leads) {
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

  /// The validation prompts: of each tag as many as held-out ones, without a held-out combination
  /// of `color_attr`; every call returns the same ones.
  package static func validation() -> [ScenePrompt] {
    var generator = SplitMix64(seed: 0x7E57_5CE9)
    let heldOut = prompts().heldOut.filter { $0.tag == .colorAttribution }
    let meanings = Set(heldOut.map { Set($0.include) })
    var validation: [ScenePrompt] = []
    for pool in pools(validationLeads) {
      let order = generator.shuffled(pool.prompts).filter {
        !meanings.contains(Set($0.include))
      }
      validation +=
        pool.holdsMeanings
        ? firstOfEachMeaning(order, pool.heldOut) : Array(order[..<pool.heldOut])
    }
    return generator.shuffled(validation)
  }

  /// Writes `train.jsonl`, `held-out.jsonl` and `validation.jsonl` into the folder, which must
  /// exist.
  package static func write(to folder: String) throws(PromptFileError) {
    let (training, heldOut) = prompts()
    try PromptFile.write(training, to: folder + "/train.jsonl")
    try PromptFile.write(heldOut, to: folder + "/held-out.jsonl")
    try PromptFile.write(validation(), to: folder + "/validation.jsonl")
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

  private static func pools(_ leads: [String]) -> [Pool] {
    let half = trainingPerTag / 2
    return [
      Pool(prompts: worded(singles(), leads), heldOut: 50),
      Pool(prompts: worded(pairs(), leads)),
      Pool(prompts: worded(counts(colors: [nil]), leads), training: half, heldOut: 45),
      Pool(
        prompts: worded(counts(colors: SceneColor.allCases), leads), training: half, heldOut: 45),
      Pool(prompts: worded(colored(), leads)),
      Pool(prompts: worded(positions(), leads)),
      Pool(prompts: worded(attributed(), leads), holdsMeanings: true),
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

/// The phrases, tag by tag, and what is put around them.
extension ShapeGrammar {
  private static let leads = ["a photo of ", "a picture of ", "an image of ", "a drawing of ", ""]
  private static let validationLeads = [
    "one photo of ", "one picture of ", "one image of ", "one drawing of ",
  ]
  private static let endings = ["", " on black"]
  private static let joins = [" and ", " with "]
  private static let numbers = [2: "two", 3: "three", 4: "four"]

  /// Each phrase with every lead and every ending.
  private static func worded(_ phrases: [ScenePrompt], _ leads: [String]) -> [ScenePrompt] {
    phrases.flatMap { phrase in
      leads.flatMap { lead in
        endings.map { ending in
          var prompt = phrase
          prompt.prompt = lead + phrase.prompt + ending
          return prompt
        }
      }
    }
  }

  private static func singles() -> [ScenePrompt] {
    SceneShape.allCases.flatMap { shape in
      ["a", "one"].map { article in
        ScenePrompt(
          tag: .singleObject, include: [.init(shape)], prompt: "\(article) \(shape.rawValue)")
      }
    }
  }

  private static func pairs() -> [ScenePrompt] {
    distinctPairs(SceneShape.allCases).flatMap { first, second in
      joins.map { join in
        ScenePrompt(
          tag: .twoObject, include: [.init(first), .init(second)],
          prompt: "a \(first.rawValue)\(join)a \(second.rawValue)")
      }
    }
  }

  private static func counts(colors: [SceneColor?]) -> [ScenePrompt] {
    SceneShape.allCases.flatMap { shape in
      colors.flatMap { color in
        (2...4).map { count in
          let kind = color.map { "\($0.rawValue) \(shape.plural)" } ?? shape.plural
          return ScenePrompt(
            tag: .counting, include: [.init(shape, count: count, color: color)],
            exclude: [.init(shape, count: count + 1)],
            prompt: "\(numbers[count] ?? "") \(kind)")
        }
      }
    }
  }

  private static func colored() -> [ScenePrompt] {
    SceneShape.allCases.flatMap { shape in
      SceneColor.allCases.map { color in
        ScenePrompt(
          tag: .colors, include: [.init(shape, color: color)],
          prompt: "a \(color.rawValue) \(shape.rawValue)")
      }
    }
  }

  private static func positions() -> [ScenePrompt] {
    distinctPairs(SceneShape.allCases).flatMap { subject, reference in
      SpatialRelation.allCases.map { relation in
        ScenePrompt(
          tag: .position,
          include: [.init(reference), .init(subject, position: .init(relation, 0))],
          prompt: "a \(subject.rawValue) \(relation.rawValue) a \(reference.rawValue)")
      }
    }
  }

  private static func attributed() -> [ScenePrompt] {
    distinctPairs(SceneShape.allCases).flatMap { first, second in
      distinctPairs(SceneColor.allCases).flatMap { firstColor, secondColor in
        joins.map { join in
          ScenePrompt(
            tag: .colorAttribution,
            include: [.init(first, color: firstColor), .init(second, color: secondColor)],
            prompt: "a \(firstColor.rawValue) \(first.rawValue)\(join)a "
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
