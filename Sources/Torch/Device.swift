/// The device of a tensor's storage.
public enum Device: Hashable, Sendable, CustomStringConvertible {
  case cpu
  /// A CUDA device by its index.
  case cuda(Int)
  /// Shapes and types without storage.
  case meta

  // The raw values are those of c10::DeviceType. libtorch accepts a CUDA device only once its CUDA
  // library is loaded.
  var type: Int32 {
    switch self {
    case .cpu: return 0
    case .cuda:
      _ = TorchRuntime.cudaFailure
      return 1
    case .meta: return 14
    }
  }

  var index: Int32 {
    if case .cuda(let index) = self { Int32(index) } else { -1 }
  }

  init(type: Int32, index: Int32) {
    switch type {
    case 0: self = .cpu
    case 1: self = .cuda(Int(index))
    case 14: self = .meta
    default: fatalError("libtorch's device type \(type) is not supported")
    }
  }

  /// The device with this name: `cpu`, `cuda` (the first) or `cuda:N`; nil for any other text.
  public init?(name: String) {
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    switch (parts.first, parts.count) {
    case ("cpu", 1): self = .cpu
    case ("cuda", 1): self = .cuda(0)
    case ("cuda", 2):
      guard let index = Int(parts[1]), (0...127).contains(index) else { return nil }
      self = .cuda(index)
    default: return nil
    }
  }

  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(let index): "cuda:\(index)"
    case .meta: "meta"
    }
  }
}
