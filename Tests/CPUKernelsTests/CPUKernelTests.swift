import CPUKernels
import Foundation
import Testing
import TorchNN

@Suite(.serialized) struct CPUKernelTests {
  @Test func `all and an empty setting select every kernel, off selects none`() throws {
    #expect(try CPUKernel.chosen(by: "") == Set(CPUKernel.allCases))
    #expect(try CPUKernel.chosen(by: "all") == Set(CPUKernel.allCases))
    #expect(try CPUKernel.chosen(by: "off").isEmpty)
    #expect(try CPUKernel.chosen(by: "joint_block") == [.jointBlock])
  }

  @Test(
    arguments: [
      ("joint_block,norml", "norml"), ("joint_block,", ""), ("OFF", "OFF"), ("gelu", "gelu"),
    ])
  func `an unknown name is an error`(setting: String, name: String) throws {
    let error = try #require(throws: UnknownCPUKernel.self) {
      try CPUKernel.chosen(by: setting)
    }
    #expect(error.name == name)
    #expect(error.description.contains("'\(name)'; it may be all, off, or some of joint_block"))
  }

  @Test func `a kernel that is off has a reason`() {
    for kernel in CPUKernel.allCases {
      #expect(kernel.offReason(among: []) == "switched off by TEMPFLOW_CPU_KERNELS")
      #expect(kernel.offReason(among: [kernel]) == kernel.unsupportedReason)
      #expect(kernel.unsupportedReason?.isEmpty != true)
    }
  }

  @Test func `kernels use the instructions that libtorch is told to use`() {
    let found = CPUKernel.instructions
    switch ProcessInfo.processInfo.environment["ATEN_CPU_CAPABILITY"] {
    case "avx2": #expect(found == "AVX2")
    case "default": #expect(found == nil)
    default: #expect(found == nil || found == "AVX-512" || found == "AVX2")
    }
    let suffix = found.map { " (\($0))" } ?? ""
    #expect(CPUKernel.jointBlock.nameWithInstructions == "joint_block" + suffix)
    #expect((found == nil) == (CPUKernel.jointBlock.unsupportedReason != nil))
  }

  @Test func `blocks are fused only where the kernel is installed and supported`() {
    defer { CPUKernel.install([]) }
    CPUKernel.install([.jointBlock])
    #expect((JointBlockLayers.fusion != nil) == (CPUKernel.jointBlock.unsupportedReason == nil))
    CPUKernel.install([])
    #expect(JointBlockLayers.fusion == nil)
  }
}
