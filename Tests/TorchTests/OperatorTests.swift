import Testing
import Torch

@Suite struct OperatorTests {
  @Test(arguments: Operator.allCases)
  func `libtorch has every operator of the table`(entry: Operator) {
    var failure = ""
    #expect(Operator.resolves(entry, failure: &failure), "\(entry.rawValue): \(failure)")
  }

  @Test func `the headers belong to the supported release`() {
    #expect(TorchRuntime.version == TorchRuntime.supportedVersion)
  }

  @Test func `a shape mismatch traps with libtorch's message`() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([1, 2] as [Float], shape: [2]) + Tensor([1, 2, 3] as [Float], shape: [3])
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(
      message.contains(
        "aten::add.Tensor: The size of tensor a (2) must match the size of tensor b (3)"))
  }

  @Test func `values that do not fill their shape trap`() async {
    await #expect(processExitsWith: .failure) { _ = Tensor([1, 2, 3] as [Float], shape: [2, 2]) }
  }
}
