import ImageFiles

/// The best one-to-one matching between wanted objects and found objects.
struct SceneMatching {
  /// A wanted relation between two slots.
  struct Relation {
    var relation: SpatialRelation
    var subject: Int
    var reference: Int
  }

  /// The requirement behind each wanted object.
  let slots: [ScenePrompt.Requirement]
  /// Each object of a requirement with a position, against each object of its reference.
  let relations: [Relation]

  /// A matching of objects without relations.
  init(_ slots: [ScenePrompt.Requirement]) {
    self.slots = slots
    relations = []
  }

  init(_ prompt: ScenePrompt) {
    var slots: [ScenePrompt.Requirement] = []
    var owners: [Int] = []
    for (index, requirement) in prompt.include.enumerated() {
      for _ in 0..<requirement.count {
        slots.append(requirement)
        owners.append(index)
      }
    }
    var relations: [Relation] = []
    for subject in slots.indices {
      guard let position = slots[subject].position else { continue }
      for reference in slots.indices where owners[reference] == position.reference {
        relations.append(
          Relation(relation: position.relation, subject: subject, reference: reference))
      }
    }
    self.slots = slots
    self.relations = relations
  }

  /// The largest mean credit over slots and relations, 0...1; 1 without any. Every object fills at
  /// most one slot, and an empty slot has no credit.
  ///
  /// `credits[slot][object]` and `relationCredit(relation, subject object, reference object)` are
  /// in 0...1. Complexity: O(objects ^ slots); both are small.
  func best(
    _ credits: [[Float]], objects: Int, relationCredit: (Relation, Int, Int) -> Float
  ) -> Float {
    var chosen = [Int](repeating: -1, count: slots.count)
    var isTaken = [Bool](repeating: false, count: objects)
    var best: Float = 0

    func descend(_ slot: Int, _ sum: Float) {
      if slot == slots.count {
        var total = sum
        for relation in relations {
          let subject = chosen[relation.subject]
          let reference = chosen[relation.reference]
          if subject >= 0 && reference >= 0 {
            total += relationCredit(relation, subject, reference)
          }
        }
        best = max(best, total)
        return
      }
      // Upper bound: each open slot and relation has a credit of at most 1.
      if sum + Float(slots.count - slot + relations.count) <= best { return }
      for object in 0..<objects where !isTaken[object] {
        isTaken[object] = true
        chosen[slot] = object
        descend(slot + 1, sum + credits[slot][object])
        isTaken[object] = false
      }
      chosen[slot] = -1
      descend(slot + 1, sum)
    }
    descend(0, 0)
    let count = slots.count + relations.count
    return count == 0 ? 1 : best / Float(count)
  }
}
