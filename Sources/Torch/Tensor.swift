internal import CTorch

/// A reference to libtorch tensor storage.
///
/// A tensor is not `Sendable`: tasks exchange plain values. An operator that fails (a shape
/// mismatch, for example) is a programming error and traps with libtorch's message.
public final class Tensor {
  /// The `CTorchTensor *`.
  package let handle: OpaquePointer

  /// Takes over a reference that the caller owns.
  package init(owning handle: OpaquePointer) { self.handle = handle }

  deinit { ctorch_release(handle) }

  /// A CPU tensor over memory that `owner` keeps valid; `owner` is released with the storage.
  package init(mapping memory: UnsafeRawPointer, shape: [Int], dtype: DType, owner: AnyObject) {
    let context = Unmanaged.passRetained(owner).toOpaque()
    let handle = shape.withSizes { sizes, rank in
      ctorch_from_blob(
        UnsafeMutableRawPointer(mutating: memory), sizes, rank, dtype.rawValue,
        { Unmanaged<AnyObject>.fromOpaque($0!).release() }, context)
    }
    guard let handle else { failed("making a tensor") }
    self.handle = handle
  }

  private init<Element>(copying values: [Element], shape: [Int], dtype: DType) {
    precondition(
      values.count == shape.reduce(1, *), "\(values.count) values do not fill shape \(shape)")
    let handle = values.withUnsafeBytes { bytes in
      shape.withSizes { sizes, rank in ctorch_copy(bytes.baseAddress, sizes, rank, dtype.rawValue) }
    }
    guard let handle else { failed("making a tensor") }
    self.handle = handle
  }

  /// A float32 tensor on the CPU.
  public convenience init(_ values: [Float], shape: [Int]) {
    self.init(copying: values, shape: shape, dtype: .float32)
  }
  /// A float64 tensor on the CPU.
  public convenience init(_ values: [Double], shape: [Int]) {
    self.init(copying: values, shape: shape, dtype: .float64)
  }
  /// An int64 tensor on the CPU.
  public convenience init(_ values: [Int], shape: [Int]) {
    self.init(copying: values, shape: shape, dtype: .int64)
  }
  /// A uint8 tensor on the CPU.
  public convenience init(_ values: [UInt8], shape: [Int]) {
    self.init(copying: values, shape: shape, dtype: .uint8)
  }
  /// A bool tensor on the CPU.
  public convenience init(_ values: [Bool], shape: [Int]) {
    self.init(copying: values, shape: shape, dtype: .bool)
  }

  public var rank: Int { Int(ctorch_rank(handle)) }

  public var shape: [Int] {
    let rank = rank
    return [Int](unsafeUninitializedCapacity: rank) { buffer, count in
      buffer.withMemoryRebound(to: Int64.self) { ctorch_sizes(handle, $0.baseAddress) }
      count = rank
    }
  }

  /// The number of elements.
  public var count: Int { Int(ctorch_count(handle)) }

  public var dtype: DType {
    let raw = ctorch_dtype(handle)
    guard let dtype = DType(rawValue: raw) else {
      fatalError("libtorch's type \(raw) is not supported")
    }
    return dtype
  }

  public var device: Device {
    var type: Int32 = 0
    var index: Int32 = 0
    ctorch_device(handle, &type, &index)
    return Device(type: type, index: index)
  }

  public var isContiguous: Bool { ctorch_is_contiguous(handle) }
}

extension Tensor {
  private func read<Element>(_ dtype: DType, as type: Element.Type) -> [Element] {
    let count = count
    return [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard ctorch_read(handle, dtype.rawValue, buffer.baseAddress, Int64(count)) else {
        failed("reading a tensor")
      }
      initialized = count
    }
  }

  /// The elements in row-major order, converted to float32.
  public func floats() -> [Float] { read(.float32, as: Float.self) }
  /// The elements in row-major order, converted to float64.
  public func doubles() -> [Double] { read(.float64, as: Double.self) }
  /// The elements in row-major order, converted to int64.
  public func ints() -> [Int] { read(.int64, as: Int.self) }
  /// The elements in row-major order, converted to uint8.
  public func bytes() -> [UInt8] { read(.uint8, as: UInt8.self) }
  /// The elements in row-major order, converted to bool.
  public func bools() -> [Bool] { read(.bool, as: Bool.self) }

  /// The value of a tensor with one element.
  public func item() -> Double {
    precondition(count == 1, "item() of a tensor with shape \(shape)")
    return doubles()[0]
  }

  /// Calls `body` with the storage of a contiguous CPU tensor.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(device == .cpu && isContiguous, "withBytes needs a contiguous tensor on the CPU")
    defer { withExtendedLifetime(self) {} }
    return try body(
      UnsafeRawBufferPointer(start: ctorch_data(handle), count: count * dtype.byteCount))
  }
}

extension [Int] {
  func withSizes<Result>(_ body: (UnsafePointer<Int64>?, Int32) -> Result) -> Result {
    withUnsafeBufferPointer { buffer in
      buffer.withMemoryRebound(to: Int64.self) { body($0.baseAddress, Int32($0.count)) }
    }
  }
}
