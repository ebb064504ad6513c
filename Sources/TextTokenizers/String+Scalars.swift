import Foundation

extension String {
  /// The text of `scalars`.
  package init(_ scalars: some Sequence<Unicode.Scalar>) {
    var view = UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }

  /// The text in NFC. Foundation does not compose a Hangul syllable with a final consonant after
  /// it; the rule is in section 3.12 of the Unicode Standard.
  var composedScalars: [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    for scalar in precomposedStringWithCanonicalMapping.unicodeScalars {
      let final = Int(scalar.value) - 0x11A7
      if (1..<28).contains(final), let last = result.last?.value, (0xAC00..<0xD7A4).contains(last),
        (last - 0xAC00) % 28 == 0, let syllable = Unicode.Scalar(last + UInt32(final))
      {
        result[result.count - 1] = syllable
      } else {
        result.append(scalar)
      }
    }
    return result
  }
}

extension Unicode.Scalar {
  /// Whether its general category is one of the letters (`\p{L}`).
  var isLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  /// Whether its general category is one of the numbers (`\p{N}`).
  var isNumber: Bool {
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }
}
