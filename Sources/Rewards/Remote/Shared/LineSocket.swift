import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A connected socket that carries lines. Writing never blocks the caller; reading blocks one
/// thread.
final class LineSocket: Sendable {
  private let descriptor: CInt
  private let queue = DispatchQueue(label: "tempflow.socket")
  private let isClosed = Atomic(false)
  private let hasPendingSign = Atomic(false)

  /// Takes over a connected socket.
  init(_ descriptor: CInt) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    #if !canImport(Glibc)
      var isOn: CInt = 1
      setsockopt(
        descriptor, SOL_SOCKET, SO_NOSIGPIPE, &isOn, socklen_t(MemoryLayout<CInt>.size))
    #endif
  }

  deinit { _ = systemClose(descriptor) }

  /// Ends the connection, and with it ``readLines(_:pause:)``.
  func close() {
    isClosed.store(true, ordering: .relaxed)
    _ = shutdown(descriptor, CInt(SHUT_RDWR))
  }

  /// Sends a line after all earlier ones.
  func send(_ message: SharedMessage) {
    queue.async { self.write(message.line + [UInt8(ascii: "\n")]) }
  }

  /// Sends ``SharedMessage/alive``, unless an earlier one still waits for the reader.
  func sendSign() {
    guard !hasPendingSign.exchange(true, ordering: .relaxed) else { return }
    queue.async {
      self.write([UInt8(ascii: "\n")])
      self.hasPendingSign.store(false, ordering: .relaxed)
    }
  }

  /// Reads lines until the connection ends, or until a closure returns false.
  ///
  /// - Parameters:
  ///   - take: called with each line.
  ///   - pause: called after the available lines, every half second at least.
  func readLines(_ take: ([UInt8]) -> Bool, pause: () -> Bool) {
    var reader = LineReader(descriptor, longestLine: .max)
    while !isClosed.load(ordering: .relaxed) {
      _ = wait(for: POLLIN)
      reader.read()
      while let line = reader.takeLine() {
        if !take(line) { return }
      }
      if reader.isAtEnd || !pause() { return }
    }
  }

  private func write(_ bytes: [UInt8]) {
    var unsent = bytes[...]
    while !unsent.isEmpty, !isClosed.load(ordering: .relaxed) {
      let count = unsent.withUnsafeBytes { systemSend(descriptor, $0) }
      if count > 0 {
        unsent = unsent.dropFirst(count)
      } else if errno == EAGAIN {
        _ = wait(for: POLLOUT)
      } else if errno != EINTR {
        close()
      }
    }
  }

  private func wait(for events: some BinaryInteger) -> CInt {
    var wait = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&wait, 1, 500)
  }
}

/// Sends what fits, without SIGPIPE.
private func systemSend(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
  #if canImport(Glibc)
    Glibc.send(descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
  #else
    Darwin.send(descriptor, bytes.baseAddress, bytes.count, 0)
  #endif
}

private func systemClose(_ descriptor: CInt) -> CInt {
  #if canImport(Glibc)
    Glibc.close(descriptor)
  #else
    Darwin.close(descriptor)
  #endif
}
