#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The tensors of one network on disk: one safetensors file, or an index and its shards.
public struct Checkpoint {
  /// The file, or the index of the shards.
  public let path: String
  /// All tensors by name, on the CPU, in the mapped files' memory.
  public let tensors: [String: Tensor]
  /// The free text of the file; of shards, that of the first by name.
  public let metadata: [String: String]

  /// Opens one safetensors file.
  ///
  /// - Throws: `SafetensorsError`.
  public init(path: String) throws(SafetensorsError) {
    let file = try SafetensorsFile(path: path)
    self.path = path
    tensors = file.tensors
    metadata = file.metadata
  }

  /// Opens `<folder>/<baseName>.safetensors`, else the shards that
  /// `<folder>/<baseName>.safetensors.index.json` lists.
  ///
  /// - Parameter baseName: `diffusion_pytorch_model` or `model` in diffusers folders.
  /// - Throws: `SafetensorsError`.
  public static func open(
    folder: String, baseName: String
  ) throws(SafetensorsError) -> Checkpoint {
    let single = "\(folder)/\(baseName).safetensors"
    if access(single, F_OK) == 0 { return try Checkpoint(path: single) }
    let index = "\(single).index.json"
    guard access(index, F_OK) == 0 else { throw .noCheckpoint(folder: folder, name: baseName) }
    return try Checkpoint(index: index, folder: folder)
  }

  private init(index path: String, folder: String) throws(SafetensorsError) {
    let weightMap = try Self.weightMap(path)
    var tensors: [String: Tensor] = [:]
    var metadata: [String: String] = [:]
    let shards = Set(weightMap.values).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    for shard in shards {
      let file = try SafetensorsFile(path: "\(folder)/\(shard)")
      if shard == shards.first { metadata = file.metadata }
      for (key, tensor) in file.tensors {
        guard let home = weightMap[key] else {
          throw .shardMismatch(path: path, key: key, problem: "is in \(shard), not in the index")
        }
        guard home == shard else {
          throw .shardMismatch(path: path, key: key, problem: "is in \(shard), not in \(home)")
        }
        tensors[key] = tensor
      }
    }
    for (key, shard) in weightMap where tensors[key] == nil {
      throw .shardMismatch(path: path, key: key, problem: "is not in \(shard)")
    }
    self.path = path
    self.tensors = tensors
    self.metadata = metadata
  }

  /// Name of the shard by tensor name.
  private static func weightMap(_ path: String) throws(SafetensorsError) -> [String: String] {
    let file = try MappedFile(path: path)
    let bytes = withExtendedLifetime(file) { Array(file.bytes) }
    let json = try StrictJSONReader.read(bytes, path: path)
    guard case .object(let members) = json,
      case .object(let entries)? = members.first(where: { $0.key == "weight_map" })?.value
    else { throw .malformed(path: path, offset: 0, problem: "no object 'weight_map'") }
    var result: [String: String] = [:]
    for (key, value) in entries {
      guard case .string(let shard) = value else {
        throw .invalidEntry(path: path, key: key, problem: "the shard's name is not text")
      }
      guard !shard.isEmpty, shard != "..", !shard.contains("/") else {
        throw .invalidEntry(path: path, key: key, problem: "'\(shard)' is not a file name")
      }
      result[key] = shard
    }
    return result
  }
}
