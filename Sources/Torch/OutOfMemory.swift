internal import CTorch
internal import Foundation
internal import Foundations

/// Ends the process when an operator cannot allocate memory, on a GPU or on the host.
///
/// Operators do not throw, so nothing can be unwound: the process ends at once with one message on
/// standard error and a status of its own. Files are replaced as a whole, so files saved earlier
/// stay intact.
public enum OutOfMemory {
  /// The status with which the process ends (EX_OSERR of sysexits.h).
  public static let exitStatus: Int32 = 71

  /// Where memory ran out, and what would reduce the memory needed.
  public struct Advice {
    /// Follows "out of memory", such as `in the rollout (sampling.micro_batch: 64)`.
    public var place: String
    /// A sentence.
    public var remedy: String

    public init(place: String, remedy: String) {
      self.place = place
      self.remedy = remedy
    }
  }

  /// Runs `body`; if an operator on this thread runs out of memory in it, the message includes
  /// `advice`. Of nested scopes, the innermost counts.
  public static func advised<Result, Failure: Error>(
    _ advice: @escaping () -> Advice, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = Thread.current.threadDictionary[key]
    Thread.current.threadDictionary[key] = advice
    defer { Thread.current.threadDictionary[key] = outer }
    return try body()
  }

  /// `body` with the advice of this thread, on whatever thread it runs.
  static func inherited(_ body: @escaping (Int) -> Void) -> (Int) -> Void {
    guard let advice = Thread.current.threadDictionary[key] as? () -> Advice else { return body }
    return { index in advised(advice) { body(index) } }
  }

  private static let key = "tempflow.out-of-memory"

  /// Ends the process.
  ///
  /// - Parameter message: libtorch's.
  static func exit(_ message: String) -> Never {
    let advice = (Thread.current.threadDictionary[key] as? () -> Advice)?()
    let place = advice.map { " \($0.place)" } ?? ""
    let remedy = advice?.remedy ?? "Use smaller batches or images, or a device with more memory."
    StandardStream.end(
      "out of memory\(place): \(short(message)). \(remedy)", status: exitStatus)
  }

  /// The sentences of libtorch's message about requested and free memory, on one line.
  private static func short(_ message: String) -> String {
    var text = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    if let start = text.range(of: "DefaultCPUAllocator") {
      text = String(text[start.lowerBound...])
    }
    if let end = text.range(of: " Including non-PyTorch") { text = String(text[..<end.lowerBound]) }
    while text.last == "." || text.last == " " { text.removeLast() }
    return text
  }
}

/// Ends the process after a libtorch call failed: out of memory, or a broken precondition.
package func failed(_ call: String) -> Never {
  let message = lastErrorMessage()
  if ctorch_ran_out_of_memory() { OutOfMemory.exit(message) }
  fatalError("\(call): \(message)")
}
