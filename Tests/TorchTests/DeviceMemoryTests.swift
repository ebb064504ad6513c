import Foundation
import TestSupport
import Testing
import Torch

/// Only a simulated device has no other users of its memory.
@Suite(
  .serialized,
  .enabled(if: SimulatedCUDA.current != nil, "counts bytes of a simulated CUDA device"))
struct DeviceMemoryTests {
  @Test func `free memory is what no tensor has`() throws {
    let whole = try #require(TorchRuntime.memory(of: .cuda(0)))
    let before = try #require(TorchRuntime.freeMemory(of: .cuda(0)))
    let tensor = Tensor.ones([4 << 20], dtype: .float32, device: .cuda(0))
    let after = try #require(TorchRuntime.freeMemory(of: .cuda(0)))
    #expect(before <= whole && before - after >= 4 * tensor.count)
    #expect(TorchRuntime.freeMemory(of: .cpu) == TorchRuntime.memory(of: .cpu))
  }

  @Test func `events of a GPU leave the others alone on any thread`() throws {
    let simulated = try #require(SimulatedCUDA.current)
    let last = TorchRuntime.cudaDeviceCount - 1
    simulated.reset()
    // The current GPU of a new thread is the first.
    let hasEnded = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      let event = DeviceEvent(.cuda(last))
      event.block()
      _ = DeviceEvent(.cuda(last)).seconds(since: event)
      TorchRuntime.synchronize(.cuda(last))
      hasEnded.signal()
    }
    hasEnded.wait()
    #expect(simulated.contexts(on: last) > 0)
    #expect(simulated.contexts(on: 0) == 0)
  }

  @Test func `a process uses one of several GPUs`() throws {
    let last = Device.cuda(TorchRuntime.cudaDeviceCount - 1)
    try TorchRuntime.use(last)
    do {
      let event = DeviceEvent(last)
      #expect(DeviceEvent(last).seconds(since: event) >= 0)
    }
    try TorchRuntime.use(.cuda(0))
    try TorchRuntime.use(.cpu)
    #expect(throws: DeviceUnavailable.self) {
      try TorchRuntime.use(.cuda(TorchRuntime.cudaDeviceCount))
    }
  }
}
