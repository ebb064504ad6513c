/// An environment variable that selects network interfaces for collectives.
package enum InterfaceVariable: String, CaseIterable, Sendable {
  /// For Gloo: names.
  case gloo = "GLOO_SOCKET_IFNAME"
  /// For NCCL: beginnings of names, or names behind `=`; behind a first `^` those to leave out.
  case nccl = "NCCL_SOCKET_IFNAME"

  /// What a value names and this host lacks: unknown names for Gloo, for NCCL the whole value if it
  /// selects no interface.
  package func unknown(in value: String, among names: [String]) -> [String] {
    switch self {
    case .gloo: return Self.list(value).filter { !names.contains($0) }
    case .nccl:
      let excludes = value.hasPrefix("^")
      let patterns = Self.list(excludes ? String(value.dropFirst()) : value)
      let selected = names.filter { name in
        patterns.contains { Self.matches(name, $0) } != excludes
      }
      return selected.isEmpty ? [value] : []
    }
  }

  private static func list(_ value: String) -> [String] {
    value.split(separator: ",").map(String.init)
  }

  private static func matches(_ name: String, _ pattern: String) -> Bool {
    pattern.hasPrefix("=") ? name == pattern.dropFirst() : name.hasPrefix(pattern)
  }
}
