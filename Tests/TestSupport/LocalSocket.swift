import Foundation

/// A socket of 127.0.0.1 on a free port.
package final class LocalSocket {
  package let port: Int
  private let handle: Int32

  /// - Parameter backlog: connections that may wait to be accepted; nil does not listen.
  package init(backlog: Int32?) throws {
    #if os(Linux)
      handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      handle = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let handle = handle
    let isReady = withUnsafeMutableBytes(of: &address) { bytes in
      let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      return bind(handle, pointer, size) == 0 && getsockname(handle, pointer, &size) == 0
        && backlog.map { listen(handle, $0) == 0 } ?? true
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    guard isReady else {
      close(handle)
      throw CocoaError(.fileReadUnknown)
    }
  }

  deinit { close(handle) }
}
