import Foundation

/// SentencePiece's table of replacements (`precompiled_charsmap`), applied as in the `tokenizers`
/// crate.
///
/// The bytes are the trie's size in bytes, the trie as a double array of 32-bit units
/// (Darts-clone), and the replacements, each ended by a zero byte. The trie maps a text to the
/// position of its replacement. All numbers are little-endian.
struct PrecompiledCharsmap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]

  /// Reads the base64 text that `field` holds.
  init(_ field: JSONField) throws(TokenizerError) {
    guard let data = Data(base64Encoded: try field.string()) else { throw field.wrong("base64") }
    let bytes = [UInt8](data)
    let words = stride(from: 0, to: bytes.count - bytes.count % 4, by: 4).map { index in
      bytes[index..<index + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    guard let size = words.first.map(Int.init), size >= 4, size % 4 == 0, 4 + size <= bytes.count
    else { throw field.wrong("a table of replacements: its trie does not fit") }
    units = Array(words[1..<1 + size / 4])
    replacements = Array(bytes[(4 + size)...])
    guard replacements.isEmpty || replacements.last == 0,
      String(validating: replacements, as: UTF8.self) != nil
    else { throw field.wrong("a table of replacements: its texts are damaged") }
  }

  /// A grapheme cluster of fewer than six bytes is replaced as a whole by the replacement of its
  /// shortest prefix in the table; in other clusters each scalar is replaced separately.
  func normalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for cluster in String(text) {
      if cluster.utf8.count < 6, let replacement = self.replacement(cluster.utf8) {
        result += replacement
      } else {
        for scalar in cluster.unicodeScalars {
          if let replacement = UTF8.encode(scalar).flatMap({ self.replacement($0) }) {
            result += replacement
          } else {
            result.append(scalar)
          }
        }
      }
    }
    return result
  }

  /// The replacement of the shortest prefix of `text` in the table.
  private func replacement(_ text: some Sequence<UInt8>) -> [Unicode.Scalar]? {
    var node = offset(units[0])
    for byte in text where byte != 0 {
      node ^= Int(byte)
      guard units.indices.contains(node) else { return nil }
      let unit = units[node]
      guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
      node ^= offset(unit)
      if unit >> 8 & 1 == 1 {
        guard units.indices.contains(node) else { return nil }
        return replacement(at: Int(units[node] & 0x7FFF_FFFF))
      }
    }
    return nil
  }

  /// The offset from a node to the block of its children.
  private func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int(unit >> 6 & 8) }

  private func replacement(at position: Int) -> [Unicode.Scalar]? {
    guard replacements.indices.contains(position) else { return nil }
    let text = replacements[position...].prefix { $0 != 0 }
    return Array(String(decoding: text, as: UTF8.self).unicodeScalars)
  }
}
