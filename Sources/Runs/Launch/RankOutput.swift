#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One output stream of a rank: a pipe whose lines are passed on with the rank as a prefix.
final class RankOutput {
  /// The end of the pipe that the process writes to; closed here once it has started.
  private let writing: CInt
  let reading: CInt
  private let target: CInt
  private var prefixer: LinePrefixer
  private(set) var isAtEnd = false

  /// - Parameter target: the descriptor that the lines are written to.
  init(rank: Int, target: CInt) throws(LaunchError) {
    let pipe = try DescriptorPipe()
    (reading, writing) = (pipe.reading, pipe.writing)
    DescriptorPipe.makeNonblocking(reading)
    self.target = target
    // On a terminal rank 0 may have a line of progress open, which it rewrites.
    prefixer = LinePrefixer((isatty(target) == 1 ? "\r\u{1B}[K" : "") + "[\(rank)] ")
  }

  deinit { close(reading) }

  /// Starts a program that writes to this stream.
  var childEnd: CInt { writing }

  func closeChildEnd() { close(writing) }

  /// Passes on what has been written.
  func pass() {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while !isAtEnd {
      let count = read(reading, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      if count > 0 { StreamWriter.write(prefixer.lines(adding: bytes.prefix(count)), to: target) }
      if count == 0 { isAtEnd = true }
      if count < bytes.count { return }
    }
  }

  /// Passes on the rest.
  func finish() {
    pass()
    StreamWriter.write(prefixer.end(), to: target)
  }
}

/// Writes to standard output or standard error. What cannot be written is dropped: a closed
/// terminal must not end a run.
enum StreamWriter {
  static func write(_ bytes: [UInt8], to descriptor: CInt) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { platformWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

private let platformWrite = write(_:_:_:)
