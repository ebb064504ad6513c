/// Keys and values that had other names; an error about an old one gives the new one.
package struct RenamedKeys: Sendable {
  /// Dotted path, `*` for an index of a list -> new dotted path, or the text to write instead.
  private let keys: [String: String]
  /// The path of a key, `=`, and an old value -> the new value.
  private let values: [String: String]

  /// - Parameters:
  ///   - keys: old path -> new path, or the text to write instead; `*` is any index of a list.
  ///   - values: `path=old` -> new value.
  package init(keys: [String: String] = [:], values: [String: String] = [:]) {
    self.keys = keys
    self.values = values
  }

  /// The new name of the key at `path`; nil for a key that was not renamed.
  func name(of path: String) -> String? { keys[Self.pattern(path)] }

  /// The new name of a value of the key at `path`.
  func value(_ value: String, of path: String) -> String? {
    values["\(Self.pattern(path))=\(value)"]
  }

  private static func pattern(_ path: String) -> String {
    path.split(separator: ".").map { Int($0) == nil ? $0 : "*" }.joined(separator: ".")
  }
}
