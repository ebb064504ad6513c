internal import CTorch

/// A kernel of this package that takes the place of libtorch's operators on processors.
///
/// The environment's `TEMPFLOW_CPU_KERNELS` chooses: `all` (as without it), `off`, or the names of
/// those that are to be on, separated by commas. It is read when the process starts.
public struct CPUKernel: Sendable {
  /// As in `TEMPFLOW_CPU_KERNELS`.
  public let name: String
  /// Why libtorch's operators do its work; nil where the kernel is on.
  public let offReason: String?

  public var isOn: Bool { offReason == nil }

  private init(_ kernel: CTorchKernel) {
    name = String(cString: ctorch_kernel_name(kernel))
    offReason = ctorch_kernel_off_reason(kernel).map { String(cString: $0) }
  }

  /// Every kernel, on or off.
  public static let all = (0..<CTORCH_KERNEL_COUNT.rawValue).map { CPUKernel(CTorchKernel($0)) }

  /// - Throws: ``UnknownCPUKernel`` for a name in `TEMPFLOW_CPU_KERNELS` that no kernel has.
  public static func checkNames() throws(UnknownCPUKernel) {
    guard let name = ctorch_unknown_kernel() else { return }
    throw UnknownCPUKernel(name: String(cString: name), known: all.map(\.name))
  }

  /// Where libtorch says that an operator's kernel for processors was registered: a source file and
  /// a line. Empty where the operator has none.
  package static func origin(of name: String, overload: String = "") -> String {
    String(cString: ctorch_kernel_origin(name, overload))
  }
}

/// `TEMPFLOW_CPU_KERNELS` names a kernel that does not exist.
public struct UnknownCPUKernel: Error, Equatable, CustomStringConvertible {
  public let name: String
  public let known: [String]

  public var description: String {
    "TEMPFLOW_CPU_KERNELS: there is no kernel '\(name)'; it may be all, off, or some of "
      + known.joined(separator: ", ") + ", separated by commas"
  }
}
