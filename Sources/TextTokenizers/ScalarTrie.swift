/// A map from texts to numbers, looked up scalar by scalar.
///
/// With scalars as keys, canonically equivalent texts are different keys.
struct ScalarTrie: Sendable {
  /// The root node.
  static let root = 0

  /// The node after a node and a scalar, keyed by both.
  private var edges: [UInt64: Int] = [:]
  /// The number of the text that ends at a node.
  private var values: [Int?] = [nil]

  /// Adds a text; an existing text gets the new number.
  mutating func insert(_ text: some Sequence<Unicode.Scalar>, _ value: Int) {
    var node = Self.root
    for scalar in text {
      let key = Self.key(node, scalar)
      if let next = edges[key] {
        node = next
      } else {
        edges[key] = values.count
        node = values.count
        values.append(nil)
      }
    }
    values[node] = value
  }

  /// The node reached from `node` by one more scalar.
  func child(of node: Int, _ scalar: Unicode.Scalar) -> Int? { edges[Self.key(node, scalar)] }

  /// The number of the text that ends at `node`.
  func value(at node: Int) -> Int? { values[node] }

  /// The number of `text`.
  func value(of text: some Sequence<Unicode.Scalar>) -> Int? {
    var node = Self.root
    for scalar in text {
      guard let next = child(of: node, scalar) else { return nil }
      node = next
    }
    return value(at: node)
  }

  /// The longest prefix of `text` in the map: its end in `text`, and its number.
  func longestPrefix(of text: ArraySlice<Unicode.Scalar>) -> (end: Int, value: Int)? {
    var node = Self.root
    var found: (end: Int, value: Int)?
    for index in text.indices {
      guard let next = child(of: node, text[index]) else { break }
      node = next
      if let value = value(at: node) { found = (index + 1, value) }
    }
    return found
  }

  private static func key(_ node: Int, _ scalar: Unicode.Scalar) -> UInt64 {
    UInt64(node) << 32 | UInt64(scalar.value)
  }
}
