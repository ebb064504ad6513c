/// Detects text whose bytes were decoded with the wrong encoding: sequences of two to five
/// characters that are rare in other text. The rules are those of `ftfy.badness` 6.3.1.
enum MojibakeHeuristic {
  /// Whether any rule matches anywhere in `text`.
  static func isLikely(_ text: [Unicode.Scalar]) -> Bool {
    let classes = text.map { MojibakeClass($0) }
    func matches(_ rule: [Slot], at start: Int) -> Bool {
      guard start + rule.count <= text.count else { return false }
      return rule.indices.allSatisfy { rule[$0].holds(text[start + $0], classes[start + $0]) }
    }
    if matches(initialRule, at: 0) { return true }
    return text.indices.contains { index in
      rules.contains { matches($0, at: index) }
    }
  }

  /// One position of a rule: a scalar of one of the classes, or one of the scalars.
  private struct Slot: Sendable {
    let classes: MojibakeClass
    let scalars: Set<Unicode.Scalar>
    /// Whether the slot matches all other scalars instead.
    let isNegated: Bool

    init(_ classes: MojibakeClass, _ scalars: String, isNegated: Bool = false) {
      self.classes = classes
      self.scalars = Set(scalars.unicodeScalars)
      self.isNegated = isNegated
    }

    func holds(_ scalar: Unicode.Scalar, _ kinds: MojibakeClass) -> Bool {
      (!classes.isDisjoint(with: kinds) || scalars.contains(scalar)) != isNegated
    }
  }

  private static func one(_ classes: MojibakeClass, _ scalars: String = "") -> Slot {
    Slot(classes, scalars)
  }

  private static func one(of scalars: String) -> Slot { Slot([], scalars) }

  private static func none(_ classes: MojibakeClass, _ scalars: String = "") -> Slot {
    Slot(classes, scalars, isNegated: true)
  }

  /// The rule that applies only at the beginning of a text.
  private static let initialRule = [one(of: "ÃÂ"), one(of: " ")]

  private static let rules = neighborRules + latinRules + otherRules

  /// Unlikely neighbors by class.
  private static let neighborRules: [[Slot]] = {
    let surroundings: MojibakeClass = [
      .accented, .box, .punctuation, .currency, .numeric, .law,
    ]
    return [
      [one(.c1)],
      [one([surroundings, .bad]), one(.bad)],
      [one([.smallLatin, .capitalLatin]), one([.lowerCommon, .upperCommon]), one(.bad)],
      [one(.bad), one(surroundings)],
      [
        one([.lowerAccented, .lowerCommon, .box, .endPunctuation, .currency, .numeric]),
        one(.upperAccented),
      ],
      [one([.box, .endPunctuation, .currency, .numeric]), one(.lowerAccented)],
      [one([.lowerAccented, .box, .endPunctuation]), one(.currency)],
      [one(.whiteSpace), one(.upperAccented), one(.currency)],
      [one([.upperAccented, .box]), one([.numeric, .law])],
      [
        one([.accented, .box, .currency, .endPunctuation]), one(.startPunctuation), one(.numeric),
      ],
      [
        one([.accented, .currency, .numeric, .box, .law]), one(.endPunctuation),
        one(.startPunctuation),
      ],
      [one([.currency, .numeric, .box]), one(.startPunctuation)],
      [one(.smallLatin), one(.upperAccented), one([.startPunctuation, .currency])],
      [one(.box), one(.kaomoji)],
      [one([.accented, .currency, .numeric, .punctuation, .law]), one(.box)],
      [one(.box), one(.endPunctuation)],
      [one(.accented), one(.punctuation), one(.word)],
    ]
  }()

  /// Misreadings as Windows-1252 that the class rules do not cover.
  private static let latinRules: [[Slot]] = {
    let arabic = one(
      [.common, .currency, .bad, .numeric, .startPunctuation], "ŸŠ®°µ»")
    return [
      [one(of: "Œœ"), none([.smallLatin, .capitalLatin])],
      [one(.upperAccented), one(of: "°")],
      [
        one(of: "ÂÃÎÐ"), one(.punctuation, "€œŠš¢£Ÿž\u{A0}\u{AD}®©°·»–—´"),
      ],
      [one(of: "×"), one(of: "²³")],
      [one(of: "ØÙ"), arabic, one(of: "ØÙ"), arabic],
      [one(of: "à"), one(of: "²µ¹¼½¾")],
      [one(of: "Ã"), one(of: "\u{A0}¡")],
      [one(.smallLatin), one(of: "ÃÂ"), one(of: " ")],
      [one(.smallLatin), one(.whiteSpace), one(of: "ÃÂ"), one(of: " ")],
      [one([.smallLatin, .endPunctuation], ".,?!"), one(of: "Â"), one(.punctuation, " ")],
    ]
  }()

  /// Misreadings as Mac Roman and as the Windows pages for Cyrillic, Greek and Baltic.
  private static let otherRules: [[Slot]] = {
    let misread: MojibakeClass = [.c1, .bad, .punctuation, .currency]
    return [
      [one(of: "√"), one(of: "±∂†≠®™´≤≥¥µø")],
      [one(of: "≈"), one(of: "°¢")],
      [one(of: "‚"), one(of: "Ä"), one(of: "ìîïòôúùû†°¢π")],
      [one(of: "‚"), one(of: "âó"), one(of: "àä°ê")],
      [one(of: "в"), one(of: "Ђ")],
      [one(of: "ВГРС"), one(misread, "°µ"), one(of: "ВГРС")],
      "ГўВЂВ".unicodeScalars.map { one(of: String($0)) }
        + [none([], "\n"), one([.smallLatin, .capitalLatin], " ")],
      [one(of: "β"), one(of: "€"), one(of: "™\u{A0}Ά\u{AD}®°")],
      [one(of: "ΒΓΞΟ"), one(misread, "°"), one(of: "ΒΓΞΟ")],
      [one(of: "ā"), one(of: "€")],
    ]
  }()
}
