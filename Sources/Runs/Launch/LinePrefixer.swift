/// Makes prefixed lines of the bytes that a process writes.
struct LinePrefixer {
  private let prefix: [UInt8]
  private var line: [UInt8] = []

  /// Bytes of a line, at most; what follows is a line of its own.
  private static let longest = 1 << 16

  init(_ prefix: String) { self.prefix = Array(prefix.utf8) }

  /// The lines that these bytes complete, each with the prefix and a line end.
  mutating func lines(adding bytes: some Sequence<UInt8>) -> [UInt8] {
    var complete: [UInt8] = []
    for byte in bytes {
      if byte == UInt8(ascii: "\n") || line.count == Self.longest { complete += takeLine() }
      if byte != UInt8(ascii: "\n") { line.append(byte) }
    }
    return complete
  }

  /// The last line if it has no line end.
  mutating func end() -> [UInt8] { line.isEmpty ? [] : takeLine() }

  /// Of a line that is rewritten with carriage returns, what a terminal shows at its end.
  private mutating func takeLine() -> [UInt8] {
    defer { line = [] }
    let shown = line.split(separator: UInt8(ascii: "\r")).last ?? []
    return prefix + shown + [UInt8(ascii: "\n")]
  }
}
