internal import CTorch
internal import Foundation

extension TorchRuntime {
  /// Keeps freed memory in the process instead of returning it to the system; commands that train
  /// or sample call it at start.
  ///
  /// Every operator allocates its result. glibc gives large blocks back when they are freed, and
  /// the system clears each page anew: a fifth of the time of a training step of a small network.
  /// Blocks of many sizes that come and go leave gaps, though, which can make a process nearly
  /// twice as large as its tensors: a large model returns its large blocks. Elsewhere than on glibc
  /// nothing is done.
  ///
  /// - Parameter bytes: the largest blocks that are kept.
  public static func keepFreedMemory(upTo bytes: Int = .max) {
    ctorch_keep_freed_memory(Int32(clamping: bytes))
  }

  /// Gives freed memory back to the system, once: for the border of two phases that need
  /// different amounts. The host's where the C library is glibc, and the GPUs' if CUDA is in use.
  public static func releaseFreedMemory() {
    ctorch_release_freed_memory()
    ctorch_cuda_empty_cache()
  }

  /// The most memory in use since `resetPeakMemory`, in bytes: the resident memory of the process
  /// for the CPU (Linux), what the allocator handed out for CUDA. nil where it is not known.
  public static func peakMemory(_ device: Device) -> Int? {
    let bytes = ctorch_peak_memory(device.type, device.index)
    return bytes < 0 ? nil : Int(bytes)
  }

  /// Begins a new peak at what is in use now.
  ///
  /// - Returns: whether it could; if not, `peakMemory` goes on from the last reset.
  @discardableResult
  public static func resetPeakMemory(_ device: Device) -> Bool {
    ctorch_reset_peak_memory(device.type, device.index)
  }

  /// The memory of a device in bytes: the host's for the CPU. nil where it is not known.
  public static func memory(of device: Device) -> Int? {
    switch device {
    case .cpu: return Int(clamping: ProcessInfo.processInfo.physicalMemory)
    case .cuda(let index):
      guard hasCUDA else { return nil }
      let bytes = ctorch_cuda_memory(Int32(index))
      return bytes < 0 ? nil : Int(bytes)
    case .meta: return nil
    }
  }
}
