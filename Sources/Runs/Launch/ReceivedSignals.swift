import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The signals that this process receives, in their order, for a loop that waits on descriptors.
///
/// There is one for the rest of the process.
struct ReceivedSignals {
  /// Readable when there are signals.
  let descriptor: CInt

  /// The end of the pipe that the handler writes to.
  private static let sink = Atomic<CInt>(-1)

  /// Installs handlers of these signals. SIGHUP stays ignored where it is, as under `nohup`.
  init(_ numbers: [Int32]) throws(LaunchError) {
    let pipe = try DescriptorPipe()
    DescriptorPipe.makeNonblocking(pipe.reading)
    // A handler must not block.
    DescriptorPipe.makeNonblocking(pipe.writing)
    Self.sink.store(pipe.writing, ordering: .relaxed)
    descriptor = pipe.reading
    var unblocked = sigset_t()
    sigemptyset(&unblocked)
    for number in numbers {
      if number == SIGHUP, SignalAction.isIgnored(number) { continue }
      SignalAction.set(number, Self.handle)
      sigaddset(&unblocked, number)
    }
    // A program may start this one with signals blocked.
    pthread_sigmask(SIG_UNBLOCK, &unblocked, nil)
  }

  /// The signals since the last call.
  func take() -> [Int32] {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(descriptor, &bytes, bytes.count)
    return count > 0 ? bytes.prefix(count).map(Int32.init) : []
  }

  /// Only atomics and `write` are safe here.
  private static let handle: @convention(c) (Int32) -> Void = { number in
    let before = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(sink.load(ordering: .relaxed), &byte, 1)
    errno = before
  }
}
