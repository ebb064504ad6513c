#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

package enum SystemError {
  /// The system's words for an `errno`.
  package static func text(_ code: CInt) -> String { String(cString: strerror(code)) }
}
