import ImageFiles

/// The score of detected objects by GenEval's rules.
package struct GenEvalScore: Sendable, Equatable {
  /// The benchmark's accuracy: at least the wanted objects, judged on the most confident of each
  /// class.
  package var official: Bool
  /// Exactly the wanted number of every wanted class, all as wanted.
  package var strict: Bool
  /// Credit for what is right, 0...1, and 1 exactly when `strict`.
  package var partial: Double
}

/// Judges detected objects against a prompt.
///
/// The official accuracy follows `evaluate_images.py` of GenEval (arXiv 2310.11513). Strict and
/// partial credit follow the reward of Flow-GRPO (arXiv 2505.05470), with the differences that
/// `docs/rewards/geneval.md` lists.
package struct GenEvalJudge {
  /// Objects count above this confidence.
  package static let threshold = 0.3
  /// The same for prompts that test counting.
  package static let countingThreshold = 0.9
  /// The number of objects of one class that are judged, the most confident first.
  package static let maximumObjects = 16

  private let prompt: GenEvalPrompt
  /// The objects above the threshold, by class, the most confident first.
  private let objects: [String: [DetectedObject]]

  /// - Parameter detected: all detected objects, in any order.
  package init(_ detected: [DetectedObject], _ prompt: GenEvalPrompt) {
    self.prompt = prompt
    let threshold = prompt.tag == "counting" ? Self.countingThreshold : Self.threshold
    let sure = detected.filter { $0.confidence > threshold }
    objects = Dictionary(grouping: sure, by: \.label).mapValues { group in
      // The offset breaks ties: sorting alone is not stable.
      group.enumerated()
        .sorted { ($1.element.confidence, $0.offset) < ($0.element.confidence, $1.offset) }
        .prefix(Self.maximumObjects).map(\.element)
    }
  }

  /// Whether an object that is judged by its color has none.
  package var lacksColors: Bool {
    prompt.include.contains { requirement in
      requirement.color != nil && found(requirement).contains { $0.color == nil }
    }
  }

  package var score: GenEvalScore {
    let partial = partial
    return GenEvalScore(official: isOfficiallyCorrect, strict: partial == 1, partial: partial)
  }

  private func found(_ requirement: GenEvalPrompt.Requirement) -> [DetectedObject] {
    objects[requirement.label] ?? []
  }

  private var withinLimits: Bool {
    prompt.exclude.allSatisfy { (objects[$0.label] ?? []).count < $0.count }
  }

  private var isOfficiallyCorrect: Bool {
    var matched: [[DetectedObject]?] = []
    for requirement in prompt.include {
      let found = found(requirement).prefix(requirement.count)
      let isRight =
        found.count == requirement.count
        && found.allSatisfy { requirement.color == nil || $0.color == requirement.color }
        && requirement.position.map { holds($0, Array(found), matched[$0.reference]) } ?? true
      matched.append(isRight ? Array(found) : nil)
    }
    return matched.allSatisfy { $0 != nil } && withinLimits
  }

  /// The mean credit of all requirements for number, color and position. A wrong number leaves no
  /// credit for color and position, and a wrong color none for position.
  private var partial: Double {
    var earned: [Double] = []
    var matched: [[DetectedObject]?] = []
    for requirement in prompt.include {
      let found = found(requirement)
      earned.append(credit(found.count, of: requirement.count))
      var isRight = found.count == requirement.count
      if let color = requirement.color {
        let credit = isRight ? credit(found.count { $0.color == color }, of: requirement.count) : 0
        earned.append(credit)
        isRight = isRight && credit == 1
      }
      if let position = requirement.position {
        isRight = isRight && holds(position, found, matched[position.reference])
        earned.append(isRight ? 1 : 0)
      }
      matched.append(isRight ? found : nil)
    }
    // A class that is both wanted and limited is counted above.
    let wanted = Set(prompt.include.map(\.label))
    for limit in prompt.exclude where !wanted.contains(limit.label) {
      earned.append((objects[limit.label] ?? []).count < limit.count ? 1 : 0)
    }
    return earned.reduce(0, +) / Double(earned.count)
  }

  private func credit(_ count: Int, of wanted: Int) -> Double {
    max(0, 1 - abs(Double(count - wanted)) / Double(wanted))
  }

  /// Whether all subjects have the relation to all references; false without a valid reference.
  private func holds(
    _ position: GenEvalPrompt.Position, _ subjects: [DetectedObject],
    _ references: [DetectedObject]?
  ) -> Bool {
    guard let references else { return false }
    return subjects.allSatisfy { subject in
      references.allSatisfy { reference in
        position.relation.strength(subject: subject.box, reference: reference.box)
          > SpatialRelation.threshold
      }
    }
  }
}
