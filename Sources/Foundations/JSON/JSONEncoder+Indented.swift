package import Foundation

extension JSONEncoder {
  /// An encoder of files that people read: two spaces, sorted keys. Equal values give equal bytes.
  package static var indented: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return encoder
  }
}
