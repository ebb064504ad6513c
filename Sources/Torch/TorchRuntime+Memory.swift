internal import CTorch

extension TorchRuntime {
  /// Keeps freed memory in the process instead of returning it to the system; commands that train
  /// or sample call it at start.
  ///
  /// Every operator allocates its result. glibc gives large blocks back when they are freed, and the
  /// system clears each page anew: a fifth of the time of a training step of a small network. Kept
  /// memory is used again by the next step, so the peak stays the same. Elsewhere than on glibc
  /// nothing is done.
  public static func keepFreedMemory() { ctorch_keep_freed_memory() }
}
