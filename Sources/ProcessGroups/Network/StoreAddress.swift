internal import Foundation

/// Where the store of a run listens: the host of rank 0, and a port.
package struct StoreAddress: Equatable, Sendable {
  package let host: String
  package let port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// From `HOST:PORT`, where an IPv6 address is in brackets; nil for another form.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      1...65535 ~= port
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("[") && host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.init(host: String(host), port: port)
  }

  /// What was found at an address.
  package struct Check: Equatable, Sendable {
    /// The numeric addresses of the host.
    package let addresses: [String]
    /// Whether they are this host's, and whether they reach this host alone.
    package let isHere: Bool
    package let isLoopback: Bool
    package let state: State
  }

  package enum State: Equatable, Sendable {
    /// The host's name has no address.
    case unresolved(reason: String)
    /// The port of this host is free, so that rank 0 can listen.
    case free
    /// This host's port is taken, or not for this user.
    case cannotListen(reason: String)
    /// A program listens.
    case answers
    /// The host answers that no program listens.
    case refuses
    /// No answer.
    case silent(reason: String)
  }

  /// Looks the host up and connects, and where nothing listens on this host, listens for a moment.
  ///
  /// - Parameters:
  ///   - timeout: how long each address may take to answer.
  ///   - listens: whether this process may listen. Of several that check one address at a time, one
  ///     may: each would find the port taken by another.
  package func check(timeout: Duration, listens: Bool) -> Check {
    let found: [HostAddress]
    do throws(UnresolvedHost) {
      found = try HostAddress.resolve(host, port: port)
    } catch {
      return Check(
        addresses: [], isHere: false, isLoopback: false, state: .unresolved(reason: error.reason))
    }
    let own = Set(NetworkInterface.all().flatMap(\.addresses))
    let isHere = found.allSatisfy { $0.isLoopback || own.contains($0.text) }
    var state = State.silent(reason: "it has no address")
    for address in found where state != .answers {
      let next = address.connect(timeout: timeout)
      if state != .refuses || next == .answers { state = next }
    }
    if isHere, listens, state != .answers {
      state =
        found[0].listenFailure(port: port).map { .cannotListen(reason: $0) } ?? .free
    }
    return Check(
      addresses: found.map(\.text), isHere: isHere,
      isLoopback: found.allSatisfy(\.isLoopback), state: state)
  }

  /// The addresses of this host's own name, at which Gloo listens unless `GLOO_SOCKET_IFNAME` is
  /// set; empty if it has none.
  package static func ofThisHost() -> [(text: String, isLoopback: Bool)] {
    let found = try? HostAddress.resolve(ProcessInfo.processInfo.hostName, port: 0)
    return (found ?? []).map { ($0.text, $0.isLoopback) }
  }
}
