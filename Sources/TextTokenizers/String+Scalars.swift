#if canImport(Darwin)
  import Foundation
#else
  @_spi(_Unicode) import Swift
#endif

extension String {
  /// The text of `scalars`.
  package init(_ scalars: some Sequence<Unicode.Scalar>) {
    var view = UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }

  /// The text in NFC, from the tables of the standard library: those of Foundation on Linux compose
  /// wrongly where old Hangul, some Kannada vowels or more than 62 marks occur.
  var composedScalars: [Unicode.Scalar] {
    #if canImport(Darwin)
      Array(precomposedStringWithCanonicalMapping.unicodeScalars)
    #else
      Array(_nfc)
    #endif
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
