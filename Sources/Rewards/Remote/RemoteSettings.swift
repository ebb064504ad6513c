import Foundation

extension RewardSettings {
  /// The addresses of a service.
  ///
  /// Recipes are saved with their runs and shown in reports, so an address may hold no user,
  /// password, query or fragment, which is where keys tend to be. What is refused is not repeated.
  ///
  /// - Throws: `RewardError.setting` when there is none, or for one that is no plain address.
  func checkedURLs() throws(RewardError) -> [URL] {
    var checked: [URL] = []
    for (index, text) in urls.enumerated() {
      guard let parts = URLComponents(string: text), let url = parts.url,
        let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https",
        let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil,
        parts.query == nil, parts.fragment == nil
      else {
        throw .setting(
          reward: label, key: .urls,
          reason: "must be addresses such as http://127.0.0.1:8000, without a password or anything "
            + "after a ?, and number \(index + 1) is not; keys belong into the environment "
            + "variable that api_key_variable names")
      }
      checked.append(url)
    }
    guard !checked.isEmpty else {
      throw .setting(reward: label, key: .urls, reason: "is required and missing")
    }
    return checked
  }

  /// The address of the proxy; nil is none.
  ///
  /// - Throws: `RewardError.setting` for one that is no plain address. It is not repeated, since it
  ///   may hold a password.
  func checkedProxy() throws(RewardError) -> URL? {
    guard let proxy else { return nil }
    guard let parts = URLComponents(string: proxy), let url = parts.url,
      let scheme = parts.scheme?.lowercased(),
      ["http", "https", "socks5", "socks5h"].contains(scheme),
      let host = parts.host, !host.isEmpty, ["", "/"].contains(parts.path), parts.user == nil,
      parts.password == nil, parts.query == nil, parts.fragment == nil
    else {
      throw .setting(
        reward: label, key: .proxy,
        reason: "must be an address such as http://proxy:3128 (also https, socks5 and socks5h), "
          + "without a password or a path")
    }
    return url
  }

  /// The key of a service, from the environment variable that the recipe names; nil when it names
  /// none.
  ///
  /// - Throws: `RewardError.setting` for a variable that is unset, or holds no usable key.
  func apiKey() throws(RewardError) -> String? {
    guard let variable = apiKeyVariable else { return nil }
    let value = ProcessInfo.processInfo.environment[variable] ?? ""
    let key = value.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw .setting(
        reward: label, key: .apiKeyVariable,
        reason: "names the environment variable \(variable), which is "
          + (key.isEmpty ? "not set" : "set to something that is no key"))
    }
    return key
  }
}

extension RetryPolicy {
  init(_ settings: RewardSettings) {
    self.init()
    timeout = settings.timeout
    retries = settings.retries
    outageTimeout = settings.outageTimeout
  }
}

/// Where messages about a running reward go.
enum RewardNotice {
  /// A writer of lines on standard error that begin with the reward's name. On a terminal a
  /// progress line that stands there is overwritten; it comes back by itself.
  static func standardError(_ label: String) -> @Sendable (String) -> Void {
    let clear = isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K" : ""
    return { text in
      let line = Array("\(clear)reward \(label): \(text.oneLine(limit: 1000))\n".utf8)
      _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
  }
}

extension String {
  /// The text on one line, without control characters, cut to a number of characters.
  func oneLine(limit: Int) -> String {
    let printable = unicodeScalars.map { scalar -> Character in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: " "
      default: Character(scalar)
      }
    }
    let words = String(printable).split(separator: " ").joined(separator: " ")
    return words.count > limit ? words.prefix(limit) + "…" : words
  }
}
