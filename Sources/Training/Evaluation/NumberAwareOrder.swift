/// Whether one name comes before another. Runs of digits compare as numbers of any length,
/// everything else by bytes; names that differ in leading zeros alone compare by bytes.
package func numberAwareOrder(_ first: String, _ second: String) -> Bool {
  let (left, right) = (pieces(first), pieces(second))
  for (one, other) in zip(left, right) where one != other {
    if one.isNumber, other.isNumber {
      // Without leading zeros, the longer number is the larger one.
      if one.bytes.count != other.bytes.count { return one.bytes.count < other.bytes.count }
    }
    return one.bytes.lexicographicallyPrecedes(other.bytes)
  }
  if left.count != right.count { return left.count < right.count }
  return first.utf8.lexicographicallyPrecedes(second.utf8)
}

/// A run of digits without leading zeros, or another byte.
private struct Piece: Equatable {
  var isNumber: Bool
  var bytes: [UInt8]
}

private func pieces(_ name: String) -> [Piece] {
  var pieces: [Piece] = []
  for byte in name.utf8 {
    let isDigit = (0x30...0x39).contains(byte)
    if !isDigit || pieces.last?.isNumber != true {
      pieces.append(Piece(isNumber: isDigit, bytes: []))
    }
    let last = pieces.endIndex - 1
    if isDigit, pieces[last].bytes == [0x30] { pieces[last].bytes = [] }
    pieces[last].bytes.append(byte)
  }
  return pieces
}
