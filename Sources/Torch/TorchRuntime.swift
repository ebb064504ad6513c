internal import CTorch

/// libtorch and its devices in this process.
public enum TorchRuntime {
  /// The libtorch release that this code is written for.
  public static let supportedVersion = "2.11.0"

  /// The version of the libtorch that is loaded, such as `2.11.0`.
  public static var version: String { String(cString: ctorch_version()) }

  /// Compares the loaded libtorch with the release that this code is written for; the command calls
  /// it at start.
  ///
  /// - Throws: `TorchVersionMismatch` when they differ.
  public static func checkVersion() throws(TorchVersionMismatch) {
    guard version == supportedVersion else {
      throw TorchVersionMismatch(found: version, supported: supportedVersion)
    }
  }

  /// Why CUDA cannot be used; nil when it can.
  ///
  /// libtorch's CUDA library is loaded at the first use of this property, so that one binary serves
  /// machines with a GPU and without. From then on operators use deterministic kernels where they
  /// exist.
  public static let cudaFailure: String? = ctorch_load_cuda() ? nil : lastErrorMessage()

  public static var hasCUDA: Bool { cudaFailure == nil }

  public static var cudaDeviceCount: Int { hasCUDA ? Int(ctorch_cuda_device_count()) : 0 }

  /// The hardware name of `device`, such as `NVIDIA H200`; nil where unknown.
  public static func name(of device: Device) -> String? {
    guard case .cuda(let index) = device, index < cudaDeviceCount else { return nil }
    return ctorch_cuda_device_name(Int32(index)).map { String(cString: $0) }
  }

  /// Whether float32 matrix products or convolutions on `device` may round their inputs to TF32 (10
  /// mantissa bits); nil on other devices than CUDA.
  public static func usesTF32(_ device: Device) -> Bool? {
    guard case .cuda = device, hasCUDA else { return nil }
    return ctorch_cuda_uses_tf32()
  }

  /// Checks that tensors can be on `device`. For a CUDA device it loads libtorch's CUDA library: a
  /// command calls this before anything is computed.
  ///
  /// - Throws: ``DeviceUnavailable`` for a CUDA device that does not exist.
  public static func check(_ device: Device) throws(DeviceUnavailable) {
    guard case .cuda(let index) = device else { return }
    if let cudaFailure { throw DeviceUnavailable(device: device, reason: cudaFailure) }
    guard index < cudaDeviceCount else {
      throw DeviceUnavailable(
        device: device,
        reason: "libtorch finds \(cudaDeviceCount) CUDA device(s), the first is cuda:0")
    }
  }

  /// Makes the GPU of a process the current one of this thread; no effect for the CPU.
  ///
  /// libtorch returns to the current GPU after work on another one, and would open a context on the
  /// first, which takes half a gigabyte of it, and fails in exclusive-process mode. On other
  /// threads of the process, events make their GPU the current one.
  ///
  /// - Throws: ``DeviceUnavailable``, as `check(_:)`, which comes first.
  public static func use(_ device: Device) throws(DeviceUnavailable) {
    try check(device)
    guard case .cuda(let index) = device else { return }
    guard ctorch_cuda_set_device(Int32(index)) else {
      throw DeviceUnavailable(device: device, reason: lastErrorMessage())
    }
  }

  /// How many threads one operator may use.
  public static var threadCount: Int {
    get { Int(ctorch_thread_count()) }
    set {
      precondition(newValue > 0, "the number of threads is at least 1")
      ctorch_set_thread_count(Int32(newValue))
    }
  }

  /// Blocks until everything queued on `device` has run; returns at once if it is not a CUDA
  /// device.
  public static func synchronize(_ device: Device) {
    if case .cuda(let index) = device { ctorch_cuda_synchronize(Int32(index)) }
  }
}

/// The machine or its libtorch lacks the device.
public struct DeviceUnavailable: Error, Equatable, CustomStringConvertible {
  public let device: Device
  public let reason: String

  public var description: String {
    "the device \(device) cannot be used: \(reason); 'tempflow doctor' lists the devices, and "
      + "device: cpu (--set device=cpu) needs no GPU"
  }
}

/// The loaded libtorch is not the supported release.
public struct TorchVersionMismatch: Error, Equatable, CustomStringConvertible {
  public let found: String
  public let supported: String

  public var description: String {
    "libtorch \(found) is loaded, and this build needs \(supported): build again with 'make build'"
      + ", or set LIBTORCH to the 'torch' folder of PyTorch \(supported) and build again"
  }
}

func lastErrorMessage() -> String { String(cString: ctorch_last_error()) }
