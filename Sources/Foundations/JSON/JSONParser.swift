/// Reads JSON (RFC 8259) and keeps the order of keys.
///
/// A key that an object gives twice is an error: readers that keep the last of two silently would
/// take one tensor, token or setting for another.
package struct JSONParser {
  /// What is wrong with a text, and at which byte.
  package struct Failure: Error, CustomStringConvertible {
    package let reason: String
    /// An index of the bytes given.
    package let offset: Int
    /// The key, when the fault is that an object gives it twice.
    package var duplicateKey: String?

    /// `REASON at byte N`.
    package var description: String { "\(reason) at byte \(offset)" }
  }

  private static let depthLimit = 64

  let bytes: ArraySlice<UInt8>
  let allowsNonFinite: Bool
  var position: Int

  /// Reads a whole text that holds one value.
  ///
  /// - Parameter allowsNonFinite: accepts `NaN`, `Infinity` and `inf`, which Python writes, and
  ///   reads numbers beyond `Double`'s range as infinities.
  package static func parse(
    _ bytes: ArraySlice<UInt8>, allowsNonFinite: Bool = false
  ) throws(Failure) -> JSONValue {
    var parser = JSONParser(
      bytes: bytes, allowsNonFinite: allowsNonFinite, position: bytes.startIndex)
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.position == bytes.endIndex else { throw parser.failure("text after the value") }
    return value
  }

  /// Reads a whole text that holds one array: its items, each with the byte at which it begins.
  package static func items(
    _ bytes: ArraySlice<UInt8>
  ) throws(Failure) -> [(offset: Int, value: JSONValue)] {
    var parser = JSONParser(bytes: bytes, allowsNonFinite: false, position: bytes.startIndex)
    guard parser.take("[") else { throw parser.failure("expected a list") }
    var items: [(offset: Int, value: JSONValue)] = []
    if !parser.take("]") {
      repeat {
        parser.skipSpace()
        items.append((parser.position, try parser.value(depth: 1)))
      } while parser.take(",")
      guard parser.take("]") else { throw parser.failure("expected a comma or ]") }
    }
    parser.skipSpace()
    guard parser.position == bytes.endIndex else { throw parser.failure("text after the list") }
    return items
  }

  private mutating func value(depth: Int) throws(Failure) -> JSONValue {
    skipSpace()
    guard depth < Self.depthLimit else {
      throw failure("nested deeper than \(Self.depthLimit) levels")
    }
    if allowsNonFinite, let value = nonFinite() { return value }
    switch peek {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case nil: throw failure("the text ends where a value should be")
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var members: [JSONValue.Member] = []
    var keys: Set<[UInt8]> = []
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
      let key = try string()
      guard keys.insert(Array(key.utf8)).inserted else {
        var fault = failure("the key \"\(key)\" is given twice")
        fault.duplicateKey = key
        throw fault
      }
      guard take(":") else { throw failure("expected a colon") }
      members.append(JSONValue.Member(key, try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw failure("expected a comma or }") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var items: [JSONValue] = []
    if take("]") { return .array(items) }
    repeat { items.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw failure("expected a comma or ]") }
    return .array(items)
  }

  var peek: UInt8? { position < bytes.endIndex ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: position) }
}
