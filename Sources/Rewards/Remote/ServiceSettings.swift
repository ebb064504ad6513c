import Foundation
import Recipes

/// The keys of a service behind HTTP: `urls`, `proxy`, `timeout`, `retries`, `outage_timeout`,
/// `concurrency` and `api_key_variable`.
package struct ServiceSettings: Sendable, Equatable {
  /// What metrics and errors call the reward.
  package var label: String
  /// One address, or several that share the work.
  package var urls: [String]
  /// The proxy for all requests; nil is none, whatever the environment's variables are.
  package var proxy: String?
  package var retry = RetryPolicy()
  /// The largest number of requests in flight, 1...
  package var concurrency = 4
  /// The environment variable that holds the service's key. The key itself is never a setting.
  package var apiKeyVariable: String?

  package init(label: String, urls: [String] = []) {
    self.label = label
    self.urls = urls
  }

  /// Reads the keys of a recipe's entry.
  ///
  /// - Parameters:
  ///   - reason: why the keys have no effect, such as `backend is tesseract`; nil when they have.
  ///   - used: those of them that have nevertheless.
  init(
    _ section: RecipeSection, label: String, unusedBecause reason: String? = nil,
    except used: Set<String> = ["timeout", "concurrency"]
  ) {
    self.init(label: label)
    func isUsed(_ key: String) -> Bool {
      guard let reason, !used.contains(key) else { return true }
      section.unused(key, because: reason)
      return false
    }
    if isUsed("urls") { urls = section.list("urls", of: .string, default: []) }
    if isUsed("proxy") { proxy = section.optional("proxy", .string) }
    if isUsed("timeout") { retry.readTimeout(section) }
    if isUsed("retries") { retry.readRetries(section) }
    if isUsed("outage_timeout") { retry.readOutageTimeout(section) }
    if isUsed("concurrency") {
      concurrency = section.int("concurrency", in: 1...1024, default: concurrency)
    }
    if isUsed("api_key_variable") { apiKeyVariable = section.optional("api_key_variable", .string) }
  }

  /// Checks the addresses, the proxy and the name of the key's variable.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)``.
  func check() throws(RewardError) {
    _ = try checkedURLs()
    _ = try checkedProxy()
    if let variable = apiKeyVariable, !Self.isVariable(variable) {
      // The text may be the key itself, so the error does not repeat it.
      throw .setting(
        reward: label, key: "api_key_variable",
        reason: "must be the name of an environment variable that holds the key, such as API_KEY")
    }
  }

  /// Whether a text names a variable: by its form, and one that is not set in capitals, which the
  /// keys of services are not.
  private static func isVariable(_ text: String) -> Bool {
    guard text.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_]*/) != nil else { return false }
    return ProcessInfo.processInfo.environment[text] != nil || text == text.uppercased()
  }

  /// The addresses.
  ///
  /// Recipes are saved with their runs and shown in reports. An address with a user, password,
  /// query or fragment may hold a key; it is refused, and the error does not repeat it.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` when there is none, or for one that is
  ///   no plain address.
  func checkedURLs() throws(RewardError) -> [URL] {
    var checked: [URL] = []
    for (index, text) in urls.enumerated() {
      guard let parts = URLComponents(string: text), let url = parts.url,
        let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https",
        let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil,
        parts.query == nil, parts.fragment == nil
      else {
        throw .setting(
          reward: label, key: "urls",
          reason: "must be addresses such as http://127.0.0.1:8000, without a password or anything "
            + "after a ?, and number \(index + 1) is not; keys belong into the environment "
            + "variable that api_key_variable names")
      }
      checked.append(url)
    }
    guard !checked.isEmpty else {
      throw .setting(reward: label, key: "urls", reason: "is required and missing")
    }
    return checked
  }

  /// The address of the proxy; nil is none.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for one that is no plain address. It may
  ///   hold a password, so the error does not repeat it.
  func checkedProxy() throws(RewardError) -> URL? {
    guard let proxy else { return nil }
    guard let parts = URLComponents(string: proxy), let url = parts.url,
      let scheme = parts.scheme?.lowercased(),
      ["http", "https", "socks5", "socks5h"].contains(scheme),
      let host = parts.host, !host.isEmpty, ["", "/"].contains(parts.path), parts.user == nil,
      parts.password == nil, parts.query == nil, parts.fragment == nil
    else {
      throw .setting(
        reward: label, key: "proxy",
        reason: "must be an address such as http://proxy:3128 (also https, socks5 and socks5h), "
          + "without a password or a path")
    }
    return url
  }

  /// The service's key, from the environment variable ``apiKeyVariable``; nil without one.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for a variable that is unset, or holds
  ///   no usable key.
  func apiKey() throws(RewardError) -> String? {
    guard let variable = apiKeyVariable else { return nil }
    let value = ProcessInfo.processInfo.environment[variable] ?? ""
    let key = value.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw .setting(
        reward: label, key: "api_key_variable",
        reason: "names the environment variable \(variable), which is "
          + (key.isEmpty ? "not set" : "set to something that is no key"))
    }
    return key
  }
}
