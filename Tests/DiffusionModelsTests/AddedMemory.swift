import Testing
import Torch

/// One thread, and no memory kept in reserve.
func prepareForMeasurement() {
  TorchRuntime.keepFreedMemory(upTo: 1 << 15)
  TorchRuntime.threadCount = 1
}

/// The peak bytes of the second run of `body` beside the memory in use: gradients and the
/// libraries' workspaces for these sizes are allocated in the first run.
func addedMemory(_ body: () -> Void) throws -> Int {
  body()
  TorchRuntime.releaseFreedMemory()
  TorchRuntime.resetPeakMemory(.cpu)
  let before = try #require(TorchRuntime.peakMemory(.cpu))
  body()
  return try #require(TorchRuntime.peakMemory(.cpu)) - before
}
