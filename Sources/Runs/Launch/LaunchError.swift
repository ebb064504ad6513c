internal import Foundations

/// Why processes could not be started, in the system's words.
package struct LaunchError: Error, Equatable, CustomStringConvertible {
  package let description: String

  /// With the text of the system's error number.
  init(_ step: String, errorNumber: Int32) {
    description = "\(step): \(SystemError.text(errorNumber))"
  }

  package init(_ description: String) { self.description = description }
}
