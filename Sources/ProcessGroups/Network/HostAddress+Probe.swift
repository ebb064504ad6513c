internal import Foundation
internal import Foundations

extension HostAddress {
  /// Connects once: `.answers`, `.refuses` or `.silent`.
  func connect(timeout: Duration) -> StoreAddress.State {
    let handle = socket(isIPv4 ? AF_INET : AF_INET6, streamSocket, 0)
    guard handle >= 0 else { return .silent(reason: SystemError.text(errno)) }
    defer { close(handle) }
    guard fcntl(handle, F_SETFL, O_NONBLOCK) == 0 else {
      return .silent(reason: SystemError.text(errno))
    }
    var code = withSocketAddress { Foundation.connect(handle, $0, $1) } == 0 ? 0 : errno
    if code == EINPROGRESS {
      var waiting = pollfd(fd: handle, events: Int16(POLLOUT), revents: 0)
      guard poll(&waiting, 1, Int32(timeout / .milliseconds(1))) == 1 else {
        return .silent(reason: "no answer within \(Int(timeout / .seconds(1))) s")
      }
      var size = socklen_t(MemoryLayout<Int32>.size)
      guard getsockopt(handle, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else {
        return .silent(reason: SystemError.text(errno))
      }
    }
    switch code {
    case 0: return .answers
    case ECONNREFUSED: return .refuses
    default: return .silent(reason: SystemError.text(code))
    }
  }

  /// Why this process cannot listen on a port of all interfaces; nil when it can.
  func listenFailure(port: Int) -> String? {
    let handle = socket(isIPv4 ? AF_INET : AF_INET6, streamSocket, 0)
    guard handle >= 0 else { return SystemError.text(errno) }
    defer { close(handle) }
    // As libtorch's store does: a connection of a run that has ended does not keep the port.
    var on: Int32 = 1
    setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    do throws(UnresolvedHost) {
      let anywhere = isIPv4 ? "0.0.0.0" : "::"
      guard let wildcard = try HostAddress.resolve(anywhere, port: port).first else {
        return "there is no address \(anywhere)"
      }
      let isBound = wildcard.withSocketAddress { bind(handle, $0, $1) } == 0
      return isBound && listen(handle, 1) == 0 ? nil : SystemError.text(errno)
    } catch {
      return error.reason
    }
  }
}
