import ProcessGroups
import Testing
import Torch

/// Collectives of tensors on a GPU.
@Suite(.serialized, .enabled(if: TorchRuntime.hasCUDA, "needs a CUDA device, real or simulated"))
struct DeviceProcessGroupTests {
  private func join() throws -> ProcessGroup {
    let group = try ProcessGroup(
      LaunchVariables(rank: 0, size: 1, localRank: 0, localSize: 1, host: "127.0.0.1", port: 0),
      timeout: .seconds(60))
    try group.use(.cuda(0))
    return group
  }

  @Test(.enabled(if: TorchRuntime.hasCUDA && NCCL.failure == nil, "needs NCCL"))
  func `a world of one reduces, broadcasts, gathers and exchanges over NCCL on the GPU`() throws {
    let group = try join()
    let values: [Float] = [1, 2, 3, 4, 5, 6]
    let tensor = Tensor(values, shape: [3, 2]).to(.cuda(0))
    try group.allReduce(tensor, "a sum")
    try group.broadcast(tensor, "a broadcast")
    #expect(tensor.floats() == values)
    let gathered = try group.allGather(tensor, "a gather")
    #expect(gathered.shape == [1, 3, 2] && gathered.floats() == values)
    let exchanged = try group.exchange(tensor, sent: [3], received: [3], "an exchange")
    #expect(exchanged.shape == [3, 2] && exchanged.floats() == values)
    // Gloo's tensors are in the host's memory.
    #expect(try group.gather([7, 8], "bytes") == [[7, 8]])
  }

  @Test(.enabled(if: TorchRuntime.hasCUDA && NCCL.failure != nil, "this CUDA library has NCCL"))
  func `a GPU without NCCL is refused at join`() throws {
    let error = #expect(throws: ProcessGroupError.self) { try join() }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains("processes cannot use NCCL: libtorch_cuda.so has no"), "\(text)")
  }
}
