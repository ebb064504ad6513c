#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A port of this host that no program listens on.
package enum FreePort {
  /// Below the ports that systems give to outgoing connections, which could take a port between
  /// this choice and its use.
  static let range = 15000..<32000

  /// - Throws: when a hundred random ports are taken.
  package static func choose() throws(LaunchError) -> Int {
    for _ in 0..<100 {
      let port = Int.random(in: range)
      if try isFree(port) { return port }
    }
    throw LaunchError(
      "no free port found in \(range.lowerBound)..<\(range.upperBound): give one with --port")
  }

  /// Whether a server could listen on all addresses of this host.
  static func isFree(_ port: Int) throws(LaunchError) -> Bool {
    #if canImport(Glibc)
      let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    #else
      let descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard descriptor >= 0 else { throw LaunchError("cannot make a socket", errorNumber: errno) }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
