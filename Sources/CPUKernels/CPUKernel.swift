internal import CCPUKernels
internal import Foundation
internal import TorchNN

/// A kernel of this package that replaces operators of libtorch on CPUs.
///
/// `TEMPFLOW_CPU_KERNELS` selects the kernels: `all` (the default), `off`, or names separated by
/// commas. A process uses the kernels that it installs; without ``install(_:)`` libtorch's
/// operators compute everything.
public enum CPUKernel: String, CaseIterable, Sendable {
  /// A transformer block over two streams of tokens, with its derivative, in float32.
  case jointBlock = "joint_block"

  /// The name in `TEMPFLOW_CPU_KERNELS`.
  public var name: String { rawValue }

  /// The instructions that kernels use on this processor, `AVX-512` or `AVX2`; nil without kernels.
  public static var instructions: String? {
    cpu_kernel_instructions().map { String(cString: $0) }
  }

  /// The name and the instructions, `joint_block (AVX2)`: results of others may differ in the last
  /// place.
  public var nameWithInstructions: String { name + (Self.instructions.map { " (\($0))" } ?? "") }

  /// Why the kernel is unsupported on this processor; nil if it is supported.
  public var unsupportedReason: String? {
    switch self {
    case .jointBlock: cpu_joint_block_unsupported().map { String(cString: $0) }
    }
  }

  /// Why the kernel is off when `chosen` is installed; nil if it is on.
  public func offReason(among chosen: Set<CPUKernel>) -> String? {
    chosen.contains(self) ? unsupportedReason : "switched off by \(Self.variable)"
  }

  /// Installs the supported kernels among `chosen`, and no others, in networks that are built from
  /// now on.
  public static func install(_ chosen: Set<CPUKernel>) {
    let jointBlock: JointBlockLayers.Fusion = { JointBlockKernel($0) }
    JointBlockLayers.fusion =
      CPUKernel.jointBlock.offReason(among: chosen) == nil ? jointBlock : nil
  }
}

extension CPUKernel {
  private static let variable = "TEMPFLOW_CPU_KERNELS"

  /// The kernels selected by the environment.
  ///
  /// - Throws: ``UnknownCPUKernel``.
  public static func chosenByEnvironment() throws(UnknownCPUKernel) -> Set<CPUKernel> {
    try chosen(by: ProcessInfo.processInfo.environment[variable] ?? "")
  }

  /// The kernels selected by a value of `TEMPFLOW_CPU_KERNELS`.
  ///
  /// - Throws: ``UnknownCPUKernel`` for the first name without a kernel.
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
