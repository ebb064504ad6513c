internal import CTorch

/// NVIDIA's collectives for CUDA devices, a part of libtorch's CUDA library.
package enum NCCL {
  /// Why processes cannot use it; nil when they can. `TorchRuntime.hasCUDA` loads the library.
  package static var failure: String? { ctorch_check_nccl() ? nil : TorchFailure.last().text }

  /// Its version, such as `2.28.9`; nil where unknown.
  package static var version: String? {
    let number = Int(ctorch_nccl_version())
    // The form of versions from 2.9 on.
    return number == 0 ? nil : "\(number / 10000).\(number / 100 % 100).\(number % 100)"
  }
}
