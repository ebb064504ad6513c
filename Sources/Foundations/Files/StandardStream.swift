#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes to standard output, standard error or another descriptor. What cannot be written is
/// dropped: a closed terminal must not end a run.
package enum StandardStream {
  package static func write(_ bytes: [UInt8], to descriptor: CInt) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { platformWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  package static func writeError(_ text: String) { write(Array(text.utf8), to: STDERR_FILENO) }

  /// Writes a line of standard error: `warning: `, and the text.
  package static func warn(_ text: String) { writeError("warning: \(text)\n") }

  /// Ends the process with a message on standard error.
  ///
  /// Handlers of `exit` do not run: they free state that other threads still use.
  package static func end(_ message: String, status: CInt = 1) -> Never {
    writeError("\nerror: \(message)\n")
    end(status: status)
  }

  /// The same without a message.
  package static func end(status: CInt) -> Never { _exit(status) }
}

private let platformWrite = write(_:_:_:)
