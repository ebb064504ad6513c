internal import Foundations

/// The tensors of one network on disk: one safetensors file, or an index and its shards.
public struct WeightsFile {
  /// The file, or the index of the shards.
  public let path: String
  /// All tensors by name, on the CPU, in the mapped files' memory.
  public let tensors: [String: Tensor]
  /// The free text of the file; of shards, that of the first by name.
  public let metadata: [String: String]

  private let files: [SafetensorsFile]

  /// Opens one safetensors file.
  ///
  /// - Throws: `SafetensorsError`.
  public init(path: String) throws(SafetensorsError) {
    let file = try SafetensorsFile(path: path)
    self.path = path
    tensors = file.tensors
    metadata = file.metadata
    files = [file]
  }

  /// Tensors in memory, as if they had been read from `path`.
  public init(_ tensors: [String: Tensor], path: String) {
    self.path = path
    self.tensors = tensors
    metadata = [:]
    files = []
  }

  /// Opens `<folder>/<baseName>.safetensors`, else the shards that
  /// `<folder>/<baseName>.safetensors.index.json` lists.
  ///
  /// - Parameters:
  ///   - folder: the folder of the file or the shards.
  ///   - baseName: `diffusion_pytorch_model` or `model` in diffusers folders.
  ///   - variant: opens `<baseName>.<variant>.safetensors` or
  ///     `<baseName>.safetensors.index.<variant>.json` instead, as diffusers and transformers name
  ///     a second set of weights; usually `fp16` or `bf16`.
  /// - Throws: `SafetensorsError`.
  public static func open(
    folder: String, baseName: String, variant: String? = nil
  ) throws(SafetensorsError) -> WeightsFile {
    let names = WeightsFileNames(baseName, variant: variant)
    let present = try WeightsFileNames.all(in: folder)
    // Of a folder with both, diffusers reads the shards and transformers the single file.
    let prefersShards = baseName == "diffusion_pytorch_model" && present.contains(names.index)
    if present.contains(names.file), !prefersShards {
      return try WeightsFile(path: "\(folder)/\(names.file)")
    }
    guard present.contains(names.index) else {
      throw names.absence(folder: folder, present: present)
    }
    return try WeightsFile(index: names.index, folder: folder, present: present)
  }

  /// Whether the folder holds a file or an index that `open` reads.
  public static func exists(folder: String, baseName: String, variant: String? = nil) -> Bool {
    WeightsFileNames(baseName, variant: variant).exist(in: folder)
  }

  /// Returns the memory of a tensor's mapped pages to the system; the next access reads them again.
  ///
  /// For a tensor that has been copied and not modified: writes to its pages are lost.
  package func releasePages(of key: String) {
    for file in files { file.releasePages(of: key) }
  }

  private init(
    index name: String, folder: String, present: Set<String>
  ) throws(SafetensorsError) {
    let path = "\(folder)/\(name)"
    let weightMap = try Self.weightMap(path)
    for (key, shard) in weightMap.sorted(by: { $0.key < $1.key }) where !present.contains(shard) {
      throw .missingShard(path: path, shard: shard, key: key)
    }
    var tensors: [String: Tensor] = [:]
    var files: [SafetensorsFile] = []
    let shards = Set(weightMap.values).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    for shard in shards {
      let file = try SafetensorsFile(path: "\(folder)/\(shard)")
      files.append(file)
      for (key, tensor) in file.tensors {
        guard let listed = weightMap[key] else {
          throw .shardMismatch(path: path, key: key, problem: "is in \(shard), not in the index")
        }
        guard listed == shard else {
          throw .shardMismatch(path: path, key: key, problem: "is in \(shard), not in \(listed)")
        }
        tensors[key] = tensor
      }
    }
    for (key, shard) in weightMap where tensors[key] == nil {
      throw .shardMismatch(path: path, key: key, problem: "is not in \(shard)")
    }
    self.path = path
    self.tensors = tensors
    self.files = files
    metadata = files.first?.metadata ?? [:]
  }

  /// Name of the shard by tensor name.
  private static func weightMap(_ path: String) throws(SafetensorsError) -> [String: String] {
    let file = try MappedFile(path: path)
    let bytes = withExtendedLifetime(file) { Array(file.bytes) }
    let json = try JSONValue(safetensors: bytes, path: path)
    guard let entries = json["weight_map"]?.members else {
      throw .malformed(path: path, offset: 0, problem: "no object 'weight_map'")
    }
    var result: [String: String] = [:]
    for entry in entries {
      let key = entry.key
      guard let shard = entry.value.string else {
        throw .invalidEntry(path: path, key: key, problem: "the shard's name is not text")
      }
      guard !shard.isEmpty, shard != "..", !shard.contains("/") else {
        throw .invalidEntry(path: path, key: key, problem: "'\(shard)' is not a file name")
      }
      guard result.updateValue(shard, forKey: key) == nil else {
        throw .duplicateKey(path: path, key: key)
      }
    }
    return result
  }
}
