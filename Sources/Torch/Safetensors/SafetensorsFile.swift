/// A memory-mapped safetensors file.
///
///     let file = try SafetensorsFile(path: "model.safetensors")
///     let weight = try file.tensor("norm.weight")
public final class SafetensorsFile {
  /// The path passed to the initializer.
  public let path: String
  /// The file's free text, such as `format: pt`.
  public let metadata: [String: String]
  /// The tensors' names in the order of their bytes.
  public let keys: [String]

  private let file: MappedFile
  private let entries: [String: SafetensorsHeader.Entry]

  /// Opens the file and checks its whole header.
  ///
  /// - Throws: `SafetensorsError` with the path, and the tensor's name where there is one.
  public init(path: String) throws(SafetensorsError) {
    file = try MappedFile(path: path)
    let header = try SafetensorsHeader(file.bytes, path: path)
    self.path = path
    metadata = header.metadata
    keys = header.entries.map(\.key)
    entries = Dictionary(uniqueKeysWithValues: header.entries.map { ($0.key, $0) })
  }

  /// The tensor of this name, on the CPU, in the mapped file: its bytes are read on first access.
  ///
  /// Changing it in place changes this process's copy alone. The mapping lives as long as any
  /// tensor of it. A tensor that does not begin on a multiple of its element size is copied.
  /// - Throws: `SafetensorsError.missingKey`.
  public func tensor(_ key: String) throws(SafetensorsError) -> Tensor {
    guard let entry = entries[key] else { throw .missingKey(path: path, key: key) }
    return tensor(entry)
  }

  /// All tensors by name; see `tensor(_:)`.
  public var tensors: [String: Tensor] { entries.mapValues(tensor) }

  /// See `WeightsFile.releasePages(of:)`; other tensors' bytes on shared pages stay.
  func releasePages(of key: String) {
    guard let entry = entries[key] else { return }
    file.releasePages(entry.range)
  }

  private func tensor(_ entry: SafetensorsHeader.Entry) -> Tensor {
    guard let base = file.bytes.baseAddress, !entry.range.isEmpty else {
      return Tensor.empty(entry.shape, dtype: entry.dtype)
    }
    let start = base + entry.range.lowerBound
    guard Int(bitPattern: start).isMultiple(of: entry.dtype.byteCount) else {
      let copy = AlignedCopy(UnsafeRawBufferPointer(start: start, count: entry.range.count))
      return Tensor(
        mapping: copy.address, shape: entry.shape, dtype: entry.dtype, owner: copy)
    }
    return Tensor(mapping: start, shape: entry.shape, dtype: entry.dtype, owner: file)
  }
}

/// A copy of bytes at an address that is aligned for every element type.
private final class AlignedCopy {
  let address: UnsafeRawPointer

  init(_ bytes: UnsafeRawBufferPointer) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    copy.copyMemory(from: bytes)
    address = UnsafeRawPointer(copy.baseAddress!)
  }

  deinit { address.deallocate() }
}
