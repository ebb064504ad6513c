import Foundation

/// Whether a process runs that is no zombie: what nobody waits for stays as one.
package func isRunning(_ identifier: Int32) -> Bool {
  guard let text = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8)
  else { return false }
  return !["Z", "X"].contains(text.split(separator: ") ").last?.prefix(1) ?? "X")
}
