internal import Foundation

/// A network interface of this host.
package struct NetworkInterface: Equatable, Sendable {
  /// Such as `eth0`.
  package let name: String
  /// Numeric addresses, such as `10.0.0.3`.
  package var addresses: [String]
  /// Whether it reaches this host alone.
  package let isLoopback: Bool

  package init(name: String, addresses: [String], isLoopback: Bool) {
    self.name = name
    self.addresses = addresses
    self.isLoopback = isLoopback
  }

  /// The interfaces that are up and have an address, in the system's order.
  package static func all() -> [NetworkInterface] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var found: [NetworkInterface] = []
    for entry in sequence(first: first, next: { $0?.pointee.ifa_next }).compactMap(\.self) {
      let flags = Int(entry.pointee.ifa_flags)
      guard let address = entry.pointee.ifa_addr, flags & Int(IFF_UP) != 0,
        let text = HostAddress(address)?.text
      else { continue }
      let name = String(cString: entry.pointee.ifa_name)
      if let index = found.firstIndex(where: { $0.name == name }) {
        found[index].addresses.append(text)
      } else {
        found.append(
          NetworkInterface(
            name: name, addresses: [text],
            isLoopback: flags & Int(IFF_LOOPBACK) != 0))
      }
    }
    return found
  }
}
