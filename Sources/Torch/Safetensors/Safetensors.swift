import Foundations

/// Writing safetensors files.
public enum Safetensors {
  /// Writes a file that is either complete or not there: it is written beside `path`, forced to
  /// disk and renamed, and the folder is forced to disk too.
  ///
  /// The bytes depend only on the arguments, and are those that the reference implementation
  /// writes: tensors are ordered by type (largest elements first, so that all are aligned) and then
  /// by name; metadata is ordered by key, where the reference's order is random.
  ///
  /// - Parameters:
  ///   - tensors: distinct names, of any device; non-contiguous tensors are stored contiguous.
  ///   - metadata: free text; `["format": "pt"]` is what Hugging Face libraries expect.
  ///   - path: the file to write.
  /// - Throws: `SafetensorsError.cannotWrite` or `.duplicateKey`; an older file is then unchanged.
  public static func write(
    _ tensors: [(String, Tensor)], metadata: [String: String] = [:], to path: String
  ) throws(SafetensorsError) {
    let ordered = tensors.sorted { (left: (String, Tensor), right: (String, Tensor)) in
      let (leftRank, rightRank) = (left.1.dtype.safetensorsRank, right.1.dtype.safetensorsRank)
      guard leftRank == rightRank else { return leftRank < rightRank }
      return left.0.utf8.lexicographicallyPrecedes(right.0.utf8)
    }
    let header = try header(ordered, metadata, path: path)
    do throws(FileError) {
      let file = try ReplacementFile(path)
      try file.write(header)
      for (_, tensor) in ordered {
        try tensor.to(.cpu).contiguous().withBytes { bytes throws(FileError) in
          try file.write(bytes)
        }
      }
      try file.commit()
    } catch {
      throw .cannotWrite(path: path, reason: error.reason)
    }
  }

  private static func header(
    _ tensors: [(String, Tensor)], _ metadata: [String: String], path: String
  ) throws(SafetensorsError) -> [UInt8] {
    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      members.append(
        .init("__metadata__", .object(pairs.map { .init($0.key, .string($0.value)) })))
    }
    var names: Set<String> = ["__metadata__"]
    var offset = 0
    for (name, tensor) in tensors {
      guard names.insert(name).inserted else { throw .duplicateKey(path: path, key: name) }
      let end = offset + tensor.count * tensor.dtype.byteCount
      let entry: JSONValue = [
        "dtype": .string(tensor.dtype.safetensorsName),
        "shape": .array(tensor.shape.map(JSONValue.int)),
        "data_offsets": [.int(offset), .int(end)],
      ]
      members.append(.init(name, entry))
      offset = end
    }
    var json = Array(JSONValue.object(members).text.utf8)
    json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
  }
}
