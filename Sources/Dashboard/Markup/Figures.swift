import Foundation
import Runs

/// Numbers as text, the same in every locale.
package enum Figures {
  /// A fixed count of decimals, such as `0.395`.
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    value.isFinite ? String(format: "%.\(decimals)f", value) : "\(value)"
  }

  /// Always with a sign, such as `+0.151`.
  package static func signed(_ value: Double, _ decimals: Int) -> String {
    value.isFinite ? String(format: "%+.\(decimals)f", value) : "\(value)"
  }

  /// Three significant digits; powers of ten beyond 1e-3 ... 1e5.
  package static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
    let magnitude = abs(value)
    guard magnitude >= 1e-3, magnitude < 1e5 else { return String(format: "%.2e", value) }
    let decimals = max(0, 2 - Int(log10(magnitude).rounded(.down)))
    return String(format: "%.\(decimals)f", value)
  }

  /// A setting without trailing zeros, such as `4.5`, `1` or `0.03`.
  package static func setting(_ value: Double) -> String { String(format: "%.6g", value) }

  /// A share in 0...1 as a percentage, such as `39.5 %`.
  package static func percent(_ share: Double) -> String { "\(fixed(share * 100, 1)) %" }

  /// Seconds as `0.42 s`, `12.3 s`, `4 min 05 s` or `1 h 02 min`.
  package static func duration(_ seconds: Double) -> String {
    guard (0..<1e15).contains(seconds) else { return "\(seconds) s" }
    if seconds < 1 { return "\(fixed(seconds, 2)) s" }
    if seconds < 59.95 { return "\(fixed(seconds, 1)) s" }
    let whole = Int(seconds.rounded())
    if whole < 3600 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
    return String(format: "%d h %02d min", whole / 3600, whole % 3600 / 60)
  }

  /// Thousands set apart by a narrow no-break space, such as `23 040`.
  package static func count(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var result = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { result += "\u{202F}" }
      result.append(digit)
    }
    return result
  }

  /// The prompts of two scores: `500`, or `455 → 500` where the first has fewer; nil without any.
  static func prompts(_ before: Score?, _ after: Score?) -> String? {
    guard let before, let after, before.count != after.count else {
      return (after ?? before).map { "\($0.count)" }
    }
    return "\(before.count) → \(after.count)"
  }

  /// A coordinate in a picture: at most two decimals, without trailing zeros.
  static func coordinate(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    if hundredths.isMultiple(of: 100) { return String(hundredths / 100) }
    return String(format: hundredths.isMultiple(of: 10) ? "%.1f" : "%.2f", value)
  }
}
