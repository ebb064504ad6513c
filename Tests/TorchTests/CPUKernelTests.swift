import Foundation
import TestSupport
import Testing
import Torch

/// The operators whose kernels for processors this package registers, by the kernel that does their
/// work.
private let replaced: [(kernels: [String], operators: [String])] = [
  (["attention"], ["", "_backward"].map { "_scaled_dot_product_flash_attention_for_cpu\($0)" }),
  (["gelu"], ["gelu", "gelu_backward"]),
  (["rms_norm"], ["_fused_rms_norm", "_fused_rms_norm_backward"]),
  (["matrix_product", "bfloat16_product"], ["mm", "addmm", "addmm_"]),
]

private func isOurs(_ name: String) -> Bool {
  CPUKernel.origin(of: "aten::\(name)").contains("/CTorch/")
}

/// Which kernels are on, and whether libtorch agrees about each operator.
private func expectOperators(ofKernels on: Set<String>) {
  #expect(Set(CPUKernel.all.filter(\.isOn).map(\.name)) == on)
  for (kernels, operators) in replaced {
    for name in operators { #expect(isOurs(name) == !on.isDisjoint(with: kernels), "\(name)") }
  }
}

/// Three samples of noise, whose kernel differs from libtorch's numbers in the last place.
private func noise() -> (found: [Float], libtorch: [Float]) {
  let seeds: [UInt64] = [3, 5, 7]
  let rows = seeds.map { Tensor.randn([640], generator: Generator(seed: $0)) }
  return (
    Tensor.randn([640], seeds: seeds, device: .cpu).floats(), Tensor.stack(rows, dim: 0).floats()
  )
}

/// Whether a block has a kernel, and whether a norm within a rollout has.
private func smallBlocks() -> (block: Bool, norm: Bool) {
  let layer = JointBlockKernel.Layer(weight: Tensor.zeros([32, 32]), bias: nil)
  let modulation = JointBlockKernel.Layer(weight: Tensor.zeros([192, 32]), bias: nil)
  let stream = JointBlockKernel.Stream(
    modulation: modulation, query: layer, key: layer, value: layer, output: layer,
    feedForward: (layer, layer), norms: nil)
  let norm = TorchRuntime.withSingleThreadedOps {
    withoutGradient { Tensor.zeros([1, 32]).allowsModulatedNorm }
  }
  return (JointBlockKernel(stream, stream, heads: 2) != nil, norm)
}

/// Runs `body` with `TEMPFLOW_CPU_KERNELS` for the processes that it starts.
private func withKernels(_ setting: String, _ body: () async -> Void) async {
  let name = "TEMPFLOW_CPU_KERNELS"
  let before = ProcessInfo.processInfo.environment[name]
  setenv(name, setting, 1)
  await body()
  if let before { setenv(name, before, 1) } else { unsetenv(name) }
}

/// Which kernels take the place of libtorch's operators, in processes of their own: the switch is
/// read when one starts.
@Suite(.serialized) struct CPUKernelTests {
  @Test func `every kernel that is off says why, and libtorch has the operators of the others`() {
    expectOperators(ofKernels: Set(CPUKernel.all.filter(\.isOn).map(\.name)))
    for kernel in CPUKernel.all { #expect(kernel.offReason?.isEmpty != true) }
  }

  @Test func `off leaves every operator to libtorch`() async {
    await withKernels("off") {
      await #expect(processExitsWith: .success) {
        expectOperators(ofKernels: [])
        let numbers = noise()
        #expect(numbers.found == numbers.libtorch)
        #expect(smallBlocks() == (false, false))
      }
    }
  }

  @Test func `names leave the other kernels off`() async {
    await withKernels("gelu,modulated_norm") {
      await #expect(processExitsWith: .success) {
        // On a processor without vectors GELU stays libtorch's.
        let gelu = try #require(CPUKernel.all.first { $0.name == "gelu" })
        expectOperators(ofKernels: gelu.isOn ? ["gelu", "modulated_norm"] : ["modulated_norm"])
        let numbers = noise()
        #expect(numbers.found == numbers.libtorch)
        #expect(smallBlocks() == (false, true))
      }
    }
  }

  @Test func `the value all is the same as none`() async {
    await withKernels("all") {
      await #expect(processExitsWith: .success) {
        #expect(CPUKernel.all.allSatisfy { $0.offReason?.contains("switched off") != true })
      }
    }
  }

  @Test func `a name that no kernel has is an error, and the first operator stops the process`()
    async
  {
    for setting in ["gelu,norml", "gelu,", "OFF"] {
      await withKernels(setting) {
        await #expect(processExitsWith: .success) {
          let error = try #require(throws: UnknownCPUKernel.self) { try CPUKernel.checkNames() }
          #expect(["norml", "", "OFF"].contains(error.name))
          #expect(error.description.contains("attention, gelu, rms_norm"))
        }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([1]) }
      }
    }
  }
}
