internal import Foundation

/// An IPv4 or IPv6 address, with the port if it has one.
struct HostAddress: Equatable {
  /// Numeric, such as `10.0.0.3`.
  let text: String
  private let storage: [UInt8]

  /// nil for an address of another kind.
  init?(_ address: UnsafePointer<sockaddr>) {
    let size: Int
    switch Int32(address.pointee.sa_family) {
    case AF_INET: size = MemoryLayout<sockaddr_in>.size
    case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
    default: return nil
    }
    storage = Array(UnsafeRawBufferPointer(start: address, count: size))
    var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard
      getnameinfo(
        address, socklen_t(size), &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0
    else { return nil }
    text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  var isIPv4: Bool {
    storage.count == MemoryLayout<sockaddr_in>.size
  }

  /// Whether it reaches this host alone.
  var isLoopback: Bool { text.hasPrefix("127.") || text == "::1" }

  /// Calls `body` with the address as the system's calls take it.
  func withSocketAddress<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    storage.withUnsafeBytes {
      body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
  }

  /// The addresses that a name stands for, in the system's order.
  ///
  /// - Throws: `UnresolvedHost` with the system's text.
  static func resolve(_ host: String, port: Int) throws(UnresolvedHost) -> [HostAddress] {
    var hints = addrinfo()
    hints.ai_socktype = streamSocket
    var first: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, String(port), &hints, &first)
    guard status == 0 else { throw UnresolvedHost(reason: String(cString: gai_strerror(status))) }
    defer { freeaddrinfo(first) }
    return sequence(first: first, next: { $0?.pointee.ai_next })
      .compactMap { $0?.pointee.ai_addr }.compactMap { HostAddress($0) }
  }
}

/// A name without an address.
struct UnresolvedHost: Error {
  let reason: String
}

#if os(Linux)
  let streamSocket = Int32(SOCK_STREAM.rawValue)
#else
  let streamSocket = SOCK_STREAM
#endif
