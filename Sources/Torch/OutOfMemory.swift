internal import CTorch
internal import Foundation

/// What happens when an operator finds no memory, on a GPU or on the host.
///
/// Operators do not throw, so nothing can be unwound: the process ends at once with one message on
/// standard error and a status of its own. Files are replaced as a whole, so what was saved before
/// is sound.
public enum OutOfMemory {
  /// The status with which the process ends (EX_OSERR of sysexits.h).
  public static let exitStatus: Int32 = 71

  /// Where memory ran out, and what would lower the need.
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

  /// Runs `body`; the message of an operator that finds no memory in it, on this thread, holds
  /// `advice`. Inside another scope, the inner advice counts.
  public static func advised<Result, Failure: Error>(
    _ advice: @escaping () -> Advice, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = Thread.current.threadDictionary[key]
    Thread.current.threadDictionary[key] = advice
    defer { Thread.current.threadDictionary[key] = outer }
    return try body()
  }

  private static let key = "tempflow.out-of-memory"

  /// Ends the process.
  ///
  /// - Parameter message: libtorch's.
  static func exit(_ message: String) -> Never {
    let advice = (Thread.current.threadDictionary[key] as? () -> Advice)?()
    let place = advice.map { " \($0.place)" } ?? ""
    let remedy = advice?.remedy ?? "Use smaller batches or images, or a device with more memory."
    FileHandle.standardError.write(
      Data("\nerror: out of memory\(place): \(short(message)). \(remedy)\n".utf8))
    // Not `exit`: other threads are still at work on what its handlers would take away.
    _exit(exitStatus)
  }

  /// The sentences of libtorch's message that say what was wanted and what is free, on one line.
  private static func short(_ message: String) -> String {
    var text = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    if let start = text.range(of: "DefaultCPUAllocator") { text = String(text[start.lowerBound...]) }
    if let end = text.range(of: " Including non-PyTorch") { text = String(text[..<end.lowerBound]) }
    while text.last == "." || text.last == " " { text.removeLast() }
    return text
  }
}

/// Ends the process, because a call of libtorch failed: memory ran out, or a contract of ours is
/// broken.
package func failed(_ call: String) -> Never {
  let message = lastErrorMessage()
  if ctorch_ran_out_of_memory() { OutOfMemory.exit(message) }
  fatalError("\(call): \(message)")
}
