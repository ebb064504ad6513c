internal import CTorch
internal import Foundation

extension TorchRuntime {
  /// Keeps freed memory in the process instead of returning it to the system; commands that train
  /// or sample call it at start.
  ///
  /// Every operator allocates its result. glibc returns large blocks to the system when they are
  /// freed, and the system clears every page again: a fifth of the time of a training step of a
  /// small network. Kept blocks of many sizes fragment memory, which can make a process nearly
  /// twice as large as its tensors, so a large model returns its large blocks. Without glibc the
  /// call has no effect.
  ///
  /// - Parameter bytes: the size of the largest blocks that are kept.
  public static func keepFreedMemory(upTo bytes: Int = .max) {
    ctorch_keep_freed_memory(Int32(clamping: bytes))
  }

  /// Returns freed memory to the system, once: for the border of two phases that need different
  /// amounts. Covers host memory if the C library is glibc, and GPU memory if CUDA is in use.
  public static func releaseFreedMemory() {
    ctorch_release_freed_memory()
    ctorch_cuda_empty_cache()
  }

  /// The most memory in use since `resetPeakMemory`, in bytes: resident memory of the process for
  /// the CPU (Linux), allocated memory of the caching allocator for CUDA. nil where unknown.
  public static func peakMemory(_ device: Device) -> Int? {
    let bytes = ctorch_peak_memory(device.type, device.index)
    return bytes < 0 ? nil : Int(bytes)
  }

  /// Resets the peak to the memory in use now.
  ///
  /// - Returns: whether it succeeded; if not, `peakMemory` still counts from the last reset.
  @discardableResult
  public static func resetPeakMemory(_ device: Device) -> Bool {
    ctorch_reset_peak_memory(device.type, device.index)
  }

  /// The memory of a device in bytes: the host's for the CPU. nil where unknown.
  public static func memory(of device: Device) -> Int? {
    switch device {
    case .cpu: Int(clamping: ProcessInfo.processInfo.physicalMemory)
    case .cuda(let index): cudaMemory(index)?.whole
    case .meta: nil
    }
  }

  /// The part of a GPU's memory that no process has, in bytes; for the CPU the host's whole memory,
  /// which the system shares out. nil where unknown.
  public static func freeMemory(of device: Device) -> Int? {
    guard case .cuda(let index) = device else { return memory(of: device) }
    return cudaMemory(index)?.free
  }

  private static func cudaMemory(_ index: Int) -> (whole: Int, free: Int)? {
    var (whole, free): (Int64, Int64) = (0, 0)
    guard hasCUDA, ctorch_cuda_memory(Int32(index), &whole, &free) else { return nil }
    return (Int(whole), Int(free))
  }
}
