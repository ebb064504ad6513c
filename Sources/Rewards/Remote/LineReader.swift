#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Lines from a non-blocking pipe, with a limit to the buffer.
struct LineReader {
  let descriptor: CInt
  private let longestLine: Int
  private var buffer: [UInt8] = []
  /// The number of bytes at the buffer's start without a line end.
  private var searched = 0
  private(set) var isAtEnd = false

  init(_ descriptor: CInt, longestLine: Int) {
    self.descriptor = descriptor
    self.longestLine = longestLine
  }

  /// Whether the buffer is beyond the limit.
  var isTooLong: Bool { buffer.count > longestLine }

  /// Reads the available bytes, up to the limit.
  mutating func read() {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while !isAtEnd, !isTooLong {
      let count = chunk.withUnsafeMutableBytes {
        #if canImport(Glibc)
          Glibc.read(descriptor, $0.baseAddress, $0.count)
        #else
          Darwin.read(descriptor, $0.baseAddress, $0.count)
        #endif
      }
      if count > 0 {
        buffer += chunk[..<count]
      } else if count < 0, errno == EINTR {
        continue
      } else {
        isAtEnd = count == 0 || errno != EAGAIN
        return
      }
    }
  }

  /// The next line, without its line end; nil when none is complete.
  ///
  /// - Parameter cuttingLong: whether a line above the limit is returned in pieces, and the text
  ///   before the end of the stream as a line.
  mutating func takeLine(cuttingLong: Bool = false) -> [UInt8]? {
    if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = Array(buffer[..<end])
      buffer.removeFirst(end + 1)
      searched = 0
      return line
    }
    searched = buffer.count
    guard !buffer.isEmpty, cuttingLong, isTooLong || isAtEnd else { return nil }
    defer { (buffer, searched) = ([], 0) }
    return buffer
  }
}
