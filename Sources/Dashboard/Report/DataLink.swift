import Foundation
import ImageFiles

/// Images embedded in a page.
enum DataLink {
  /// The bytes of a PNG file as a `data:` URI.
  static func png(_ bytes: [UInt8]) -> String {
    "data:image/png;base64,\(Data(bytes).base64EncodedString())"
  }
}
