internal import Foundations

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
      if count > 0 { StandardStream.write(prefixer.lines(adding: bytes.prefix(count)), to: target) }
      if count == 0 { isAtEnd = true }
      if count < bytes.count { return }
    }
  }

  /// Passes on the rest.
  func finish() {
    pass()
    StandardStream.write(prefixer.end(), to: target)
  }
}
