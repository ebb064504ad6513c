import Foundation
import TestSupport
import Testing
import Torch

/// The folder of what `Tests/SimulatedCUDA` builds; nil where nothing built it.
private let simulation = ProcessInfo.processInfo.environment["SIMULATED_CUDA"]

/// Whether libtorch comes with its CUDA half.
private let hasRealLibrary = FileManager.default.fileExists(
  atPath: (ProcessInfo.processInfo.environment["LIBTORCH"]
    ?? repositoryFolder() + "/.libtorch/torch") + "/lib/libtorch_cuda.so")

/// Checks of the simulated device, and of libtorch's real CUDA half as far as no GPU is needed.
@Suite(
  .serialized,
  .enabled(if: simulation != nil, "Tools/test.sh builds the simulated device and names its folder"))
struct SimulatedCUDATests {
  private let names = Operator.allCases.map(\.rawValue).joined(separator: "\n") + "\n"

  private func failures(_ program: String, input: String = "") throws -> (String, ProgramRun) {
    let folder = try #require(simulation)
    let run = try ProgramRun(
      "\(folder)/\(program)", input: input,
      environment: program == "kernels" ? [:] : ["LD_LIBRARY_PATH": folder])
    let lines = run.output.split(separator: "\n").filter { !$0.hasPrefix("ok") }
    return (lines.joined(separator: "\n"), run)
  }

  @Test func `the simulated device behaves as a device`() throws {
    let (failures, run) = try failures("device")
    #expect(run.status == 0, "\(failures)")
    #expect(run.output.contains("ok"))
  }

  @Test func `every operator computes there what it computes on the CPU, and so do gradients`()
    throws
  {
    let (failures, run) = try failures("sweep", input: names)
    #expect(run.status == 0, "\(failures)")
    for entry in Operator.allCases {
      #expect(run.output.contains(" \(entry.rawValue)"), "\(entry.rawValue) did not run")
    }
  }

  /// Asked of the dispatcher: it says nothing of types of numbers, and runs nothing.
  @Test(.enabled(if: hasRealLibrary, "this libtorch is for processors alone"))
  func `every operator has a kernel in libtorch's CUDA half`() throws {
    let (failures, run) = try failures("kernels", input: names)
    #expect(run.status == 0, "\(failures)")
    let found = run.output.split(separator: "\n").count { $0.hasPrefix("ok ") }
    #expect(found == Operator.allCases.count)
  }
}
