internal import CCPUKernels
internal import Foundation
internal import TorchNN

/// A kernel of this package that computes on CPUs in place of libtorch's operators.
///
/// The environment's `TEMPFLOW_CPU_KERNELS` chooses: `all` (as without it), `off`, or names
/// separated by commas. A process has the kernels that it installs; without ``install(_:)``
/// libtorch's operators compute everything.
public enum CPUKernel: String, CaseIterable, Sendable {
  /// A transformer block over two streams of tokens, with its derivative, in float32.
  case jointBlock = "joint_block"

  /// As in `TEMPFLOW_CPU_KERNELS`.
  public var name: String { rawValue }

  /// Why this processor cannot run it; nil where it can.
  public var unsupportedReason: String? {
    switch self {
    case .jointBlock: cpu_joint_block_unsupported().map { String(cString: $0) }
    }
  }

  /// Why libtorch's operators do its work where `chosen` are installed; nil where the kernel does
  /// it.
  public func offReason(among chosen: Set<CPUKernel>) -> String? {
    chosen.contains(self) ? unsupportedReason : "switched off by \(Self.variable)"
  }

  /// Lets the kernels among `chosen` that this processor supports compute in the networks that are
  /// built from now on, and no others.
  public static func install(_ chosen: Set<CPUKernel>) {
    let jointBlock: JointBlockLayers.Fusion = { JointBlockKernel($0) }
    JointBlockLayers.fusion =
      CPUKernel.jointBlock.offReason(among: chosen) == nil ? jointBlock : nil
  }
}

extension CPUKernel {
  private static let variable = "TEMPFLOW_CPU_KERNELS"

  /// The kernels that the environment chooses.
  ///
  /// - Throws: ``UnknownCPUKernel``.
  public static func chosenByEnvironment() throws(UnknownCPUKernel) -> Set<CPUKernel> {
    try chosen(by: ProcessInfo.processInfo.environment[variable] ?? "")
  }

  /// The kernels that a value of `TEMPFLOW_CPU_KERNELS` chooses.
  ///
  /// - Throws: ``UnknownCPUKernel`` for the first name that no kernel has.
  public static func chosen(by setting: String) throws(UnknownCPUKernel) -> Set<CPUKernel> {
    switch setting {
    case "", "all": return Set(allCases)
    case "off": return []
    default: break
    }
    var chosen: Set<CPUKernel> = []
    for name in setting.split(separator: ",", omittingEmptySubsequences: false) {
      guard let kernel = CPUKernel(rawValue: String(name)) else {
        throw UnknownCPUKernel(name: String(name))
      }
      chosen.insert(kernel)
    }
    return chosen
  }
}

/// `TEMPFLOW_CPU_KERNELS` names a kernel that does not exist.
public struct UnknownCPUKernel: Error, Equatable, CustomStringConvertible {
  public let name: String

  public var description: String {
    "TEMPFLOW_CPU_KERNELS: there is no kernel '\(name)'; it may be all, off, or some of "
      + CPUKernel.allCases.map(\.name).joined(separator: ", ") + ", separated by commas"
  }
}
