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
      var present = sigaction()
      sigaction(number, nil, &present)
      if number == SIGHUP, Self.isIgnored(present) { continue }
      var action = sigaction()
      sigemptyset(&action.sa_mask)
      #if canImport(Glibc)
        action.__sigaction_handler.sa_handler = Self.handle
      #else
        action.__sigaction_u.__sa_handler = Self.handle
      #endif
      action.sa_flags = SA_RESTART
      sigaction(number, &action, nil)
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

  private static func isIgnored(_ action: sigaction) -> Bool {
    #if canImport(Glibc)
      let handler = action.__sigaction_handler.sa_handler
    #else
      let handler = action.__sigaction_u.__sa_handler
    #endif
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Only atomics and `write` are safe here.
  private static let handle: @convention(c) (Int32) -> Void = { number in
    let before = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(sink.load(ordering: .relaxed), &byte, 1)
    errno = before
  }
}
