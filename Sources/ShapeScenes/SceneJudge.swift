import ImageFiles

/// Judges the objects found in an image by GenEval's rules (arXiv 2310.11513), made exact.
///
/// GenEval requires at least `count` objects of each class, with the named color, in the relation
/// to their reference, and fewer than the excluded count. Here the image must show nothing else:
/// exactly the total number of objects of the prompt, whatever its tag, all of them clear, and
/// almost no clutter. An image full of everything therefore satisfies no prompt.
package enum SceneJudge {
  /// What objects beyond the wanted ones do to partial credit.
  package enum Surplus: String, CaseIterable, Sendable {
    /// They divide it by found / wanted.
    case penalized
    /// Nothing: an image whose largest objects include what is wanted has 1. Clutter counts as
    /// ever.
    case ignored
  }

  /// The largest partial credit of an image that is not exact.
  package static let nearMiss: Float = 0.8
  /// The largest number of bright pixels outside objects in an exact image.
  static let clutterLimit = 6
  /// The largest number of objects that are compared with the prompt; further ones lower the
  /// credit.
  static let compared = 6

  /// Strict and partial credit; `surplus` has no effect on the strict one.
  package static func score(
    _ findings: SceneVerifier.Findings, _ prompt: ScenePrompt, surplus: Surplus = .penalized
  ) -> SceneScore {
    let matching = SceneMatching(prompt)
    if isExact(findings, prompt, matching) { return SceneScore(strict: true, partial: 1) }
    if surplus == .ignored, isThere(findings, matching) {
      return SceneScore(strict: false, partial: 1)
    }
    return SceneScore(
      strict: false, partial: Double(nearMiss * credit(findings, matching, surplus)))
  }

  private static func isExact(
    _ findings: SceneVerifier.Findings, _ prompt: ScenePrompt, _ matching: SceneMatching
  ) -> Bool {
    let objects = findings.objects
    guard objects.count == matching.slots.count,
      objects.allSatisfy({ $0.isShapeClear && $0.isColorClear })
    else { return false }
    for limit in prompt.exclude ?? []
    where objects.count(where: { $0.shape == limit.shape }) >= limit.count { return false }
    return isThere(findings, matching)
  }

  /// Whether clear objects in a picture without clutter are all that is wanted, and perhaps more.
  private static func isThere(
    _ findings: SceneVerifier.Findings, _ matching: SceneMatching
  ) -> Bool {
    guard findings.clutter <= clutterLimit else { return false }
    let objects = Array(findings.objects.prefix(compared))
    let credits = matching.slots.map { slot in
      objects.map { object -> Float in
        let isColored = slot.color == nil || slot.color == object.color
        let isClear = object.isShapeClear && object.isColorClear
        return object.shape == slot.shape && isColored && isClear ? 1 : 0
      }
    }
    let best = matching.best(credits, objects: objects.count) { relation, subject, reference in
      let strength = relation.relation.strength(
        subject: objects[subject].box, reference: objects[reference].box)
      return strength > SpatialRelation.threshold ? 1 : 0
    }
    return best == 1
  }

  /// Credit of an image that is not exact, 0...1.
  ///
  /// The mean credit of the best matching over wanted objects and relations, less what is too much.
  private static func credit(
    _ findings: SceneVerifier.Findings, _ matching: SceneMatching, _ surplus: Surplus
  ) -> Float {
    let objects = Array(findings.objects.prefix(compared))
    let credits = matching.slots.map { slot in objects.map { credit($0, slot) } }
    let best = matching.best(credits, objects: objects.count) { relation, subject, reference in
      let strength = relation.relation.strength(
        subject: objects[subject].box, reference: objects[reference].box)
      let place = min(max(strength + 0.5, 0), 1)
      return place * credits[relation.subject][subject] * credits[relation.reference][reference]
    }
    let wanted = matching.slots.count
    return reduced(
      best, findings,
      wanted: surplus == .penalized ? wanted : max(wanted, findings.objects.count))
  }

  /// A credit times wanted / found where more objects are found than wanted, times 1 / (1 + clutter
  /// / 60).
  static func reduced(
    _ credit: Float, _ findings: SceneVerifier.Findings, wanted: Int
  ) -> Float {
    let (wanted, found) = (Float(wanted), Float(findings.objects.count))
    let surplus = wanted == 0 ? 1 / (1 + found) : wanted / max(wanted, found)
    return credit * surplus / (1 + Float(findings.clutter) / 60)
  }

  /// Credit of one object for one wanted object, 0...1: a little for its presence, more for the
  /// right shape and color, and a part for both together.
  static func credit(
    _ object: FoundObject, _ wanted: ScenePrompt.Requirement
  ) -> Float {
    let shape = object.likeness(to: wanted.shape)
    guard let wantedColor = wanted.color else { return 0.2 + 0.8 * shape }
    let color = object.likeness(to: wantedColor)
    return 0.2 + 0.3 * shape + 0.2 * color + 0.3 * shape * color
  }
}
