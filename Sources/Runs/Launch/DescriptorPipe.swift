#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A pipe whose ends are closed in the programs that this process starts.
struct DescriptorPipe {
  let reading, writing: CInt

  init() throws(LaunchError) {
    var ends: [CInt] = [0, 0]
    guard pipe(&ends) == 0 else { throw LaunchError("cannot make a pipe", errorNumber: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (reading, writing) = (ends[0], ends[1])
  }

  /// Makes reads of this descriptor, or writes, return at once.
  static func makeNonblocking(_ descriptor: CInt) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
  }
}
