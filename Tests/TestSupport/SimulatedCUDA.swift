import Foundation
import Torch

/// The simulated CUDA devices of `Tests/SimulatedCUDA`, when they replace libtorch's CUDA library.
package struct SimulatedCUDA {
  /// nil where there is no CUDA device, or a real one.
  package static var current: SimulatedCUDA? {
    guard TorchRuntime.hasCUDA else { return nil }
    return SimulatedCUDA()
  }

  private let handle: UnsafeMutableRawPointer

  private init?() {
    guard let handle = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD),
      dlsym(handle, "simulated_cuda_waits") != nil
    else { return nil }
    self.handle = handle
  }

  /// Resets all counts.
  package func reset() {
    typealias Function = @convention(c) () -> Void
    function("simulated_cuda_reset", as: Function.self)()
  }

  /// Copies from the host's memory to a device.
  package var uploads: Int {
    typealias Function = @convention(c) () -> Int
    return function("simulated_cuda_uploads", as: Function.self)()
  }

  /// Copies from the host's memory on a stream beside the default one.
  package var uploadsBeside: Int {
    typealias Function = @convention(c) () -> Int
    return function("simulated_cuda_uploads_beside", as: Function.self)()
  }

  /// Half-precision products whose sums may be split.
  package var splitProducts: Int {
    typealias Function = @convention(c) () -> Int
    return function("simulated_cuda_split_products", as: Function.self)()
  }

  /// How often a device was made the current one, which opens a context on it.
  package func contexts(on index: Int) -> Int {
    typealias Function = @convention(c) (Int32) -> Int
    return function("simulated_cuda_contexts", as: Function.self)(Int32(index))
  }

  /// How often the host would have waited for a GPU.
  package var waits: Int {
    typealias Function = @convention(c) () -> Int
    return function("simulated_cuda_waits", as: Function.self)()
  }

  /// A line `COUNT NAME` for each kind of wait.
  package var waitsByName: String {
    typealias Function = @convention(c) () -> UnsafePointer<CChar>
    return String(cString: function("simulated_cuda_waits_by_name", as: Function.self)())
  }

  /// How many operators ran on a device.
  package var kernels: Int {
    typealias Function = @convention(c) () -> Int
    return function("simulated_cuda_kernels", as: Function.self)()
  }

  private func function<Function>(_ name: String, as type: Function.Type) -> Function {
    guard let symbol = dlsym(handle, name) else {
      fatalError("the simulated libtorch_cuda.so has no \(name)")
    }
    return unsafeBitCast(symbol, to: type)
  }
}
