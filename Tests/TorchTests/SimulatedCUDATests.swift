import Foundation
import TestSupport
import Testing
import Torch

/// The output folder of `Tests/SimulatedCUDA`; nil if it was not built.
private let simulation = ProcessInfo.processInfo.environment["SIMULATED_CUDA"]

/// Whether libtorch includes its CUDA library.
private let hasRealLibrary = FileManager.default.fileExists(
  atPath: (ProcessInfo.processInfo.environment["LIBTORCH"]
    ?? repositoryFolder() + "/.libtorch/torch") + "/lib/libtorch_cuda.so")

/// Checks of the simulated device, and of libtorch's real CUDA library without a GPU.
@Suite(
  .serialized,
  .enabled(if: simulation != nil, "Tools/test.sh builds the simulated device and names its folder"))
struct SimulatedCUDATests {
  private let names = Operator.allCases.map(\.rawValue).joined(separator: "\n") + "\n"

  /// The failed checks of a program.
  ///
  /// - Parameter isSimulated: whether the simulated library replaces libtorch's.
  private func failures(
    _ program: String, _ arguments: [String] = [], input: String = "", isSimulated: Bool = true
  ) throws -> (String, ProgramRun) {
    let folder = try #require(simulation)
    let run = try ProgramRun(
      "\(folder)/\(program)", arguments, input: input,
      environment: isSimulated ? ["LD_LIBRARY_PATH": folder] : [:])
    let lines = run.output.split(separator: "\n").filter { !$0.hasPrefix("ok") }
    return (lines.joined(separator: "\n"), run)
  }

  @Test func `the simulated device behaves like a device`() throws {
    let (failures, run) = try failures("device")
    #expect(run.status == 0, "\(failures)")
    #expect(run.output.contains("ok"))
  }

  @Test func `every operator and its gradients equal the CPU's on the simulated device`()
    throws
  {
    let (failures, run) = try failures("sweep", input: names)
    #expect(run.status == 0, "\(failures)")
    for entry in Operator.allCases {
      #expect(run.output.contains(" \(entry.rawValue)"), "\(entry.rawValue) did not run")
    }
  }

  /// The check uses the dispatcher's registrations; it runs no kernel and covers no element types.
  @Test(.enabled(if: hasRealLibrary, "this libtorch is built without CUDA"))
  func `every operator has a kernel in libtorch's CUDA library`() throws {
    let (failures, run) = try failures("kernels", input: names, isSimulated: false)
    #expect(run.status == 0, "\(failures)")
    let found = run.output.split(separator: "\n").count { $0.hasPrefix("ok ") }
    #expect(found == Operator.allCases.count)
  }
  @Test(arguments: ["none", "simulated"])
  func `processes without NCCL are refused by name`(_ library: String) throws {
    let (failures, run) = try failures("nccl", [library], isSimulated: library == "simulated")
    #expect(run.status == 0, "\(failures)")
    #expect(run.output.contains("ok joining says "), "\(run.output)")
  }

  /// Construction ends where NCCL counts the machine's GPUs; no byte moves.
  @Test(
    .enabled(if: hasRealLibrary, "this libtorch is built without CUDA"),
    .enabled(if: !FileManager.default.fileExists(atPath: "/dev/nvidiactl"), "this host has a GPU"))
  func `NCCL is made from libtorch's CUDA library up to its search for a GPU`() throws {
    let (failures, run) = try failures("nccl", ["real"], isSimulated: false)
    #expect(run.status == 0, "\(failures)")
    #expect(run.output.contains("no GPUs found!"), "\(run.output)")
  }
}
