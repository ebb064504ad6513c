/// Why a safetensors file, a sharded checkpoint or its index cannot be read or written.
///
/// `path` is the file, `key` the tensor's name.
public enum SafetensorsError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be read; `reason` is the operating system's message.
  case cannotRead(path: String, reason: String)
  /// The file cannot be written, or a tensor cannot be stored; an older file stays as it was.
  case cannotWrite(path: String, reason: String)
  /// The file ends before its header does.
  case truncated(path: String, bytes: Int, needed: Int)
  /// The length of the header exceeds the limit of the reference implementation.
  case headerTooLong(path: String, bytes: UInt64)
  /// The file is a Git LFS pointer: the contents of the large file have not been fetched.
  case gitLFSPointer(path: String)
  /// The header or index is not valid JSON of this format; `offset` counts its bytes.
  case malformed(path: String, offset: Int, problem: String)
  /// One name is given twice.
  case duplicateKey(path: String, key: String)
  /// A tensor's entry lacks a field or has one of the wrong kind.
  case invalidEntry(path: String, key: String, problem: String)
  /// The element type is unknown or has no counterpart in libtorch.
  case unsupportedType(path: String, key: String, type: String)
  /// Shape and element type do not give the number of bytes in the entry.
  case sizeMismatch(path: String, key: String, expected: Int, found: Int)
  /// The bytes of a tensor lie outside the file, overlap another's, or leave a gap before them.
  case invalidRange(path: String, key: String, problem: String)
  /// The data section is longer or shorter than the tensors together.
  case dataSize(path: String, expected: Int, found: Int)
  /// There is no tensor of this name.
  case missingKey(path: String, key: String)
  /// The folder holds neither `<name>.safetensors` nor `<name>.safetensors.index.json`.
  case noCheckpoint(folder: String, name: String)
  /// The folder holds these weights only as variants, and none was requested.
  case onlyVariants(folder: String, name: String, variants: [String])
  /// The folder lacks the requested variant; it holds `others`, and perhaps plain weights.
  case noVariant(
    folder: String, name: String, variant: String, others: [String], hasPlain: Bool)
  /// The folder holds weights, such as `file`, but as Python's pickle.
  case pickledOnly(folder: String, name: String, file: String)
  /// The index of a sharded checkpoint names a file that is not there; it would hold `key`.
  case missingShard(path: String, shard: String, key: String)
  /// The index of a sharded checkpoint disagrees with a shard about a tensor.
  case shardMismatch(path: String, key: String, problem: String)

  public var description: String {
    switch self {
    case .cannotRead(let path, let reason): "\(path): cannot be read: \(reason)"
    case .cannotWrite(let path, let reason):
      "\(path): cannot be written: \(reason); what was there before is unchanged"
    case .truncated(let path, let bytes, let needed):
      "\(path): the file ends after \(bytes) of at least \(needed) bytes; copy or download it again"
    case .headerTooLong(let path, let bytes):
      "\(path): has a header length of \(bytes) bytes; this is not a safetensors file"
    case .gitLFSPointer(let path):
      "\(path): is a Git LFS pointer in place of the weights; run 'git lfs pull' in its "
        + "folder, or fetch the repository with 'hf download'"
    case .malformed(let path, let offset, let problem):
      "\(path): \(problem) at byte \(offset) of its JSON; copy or download it again"
    case .duplicateKey(let path, let key):
      "\(path): '\(key)' is given twice; write the file again with distinct names"
    case .invalidEntry(let path, let key, let problem):
      "\(path): '\(key)': \(problem); write the file again"
    case .unsupportedType(let path, let key, let type):
      "\(path): '\(key)' has element type '\(type)', which is not supported; convert it first"
    case .sizeMismatch(let path, let key, let expected, let found):
      "\(path): '\(key)' needs \(expected) bytes by its shape and type but has \(found); "
        + "copy or download the file again"
    case .invalidRange(let path, let key, let problem):
      "\(path): the bytes of '\(key)' \(problem); copy or download the file again"
    case .dataSize(let path, let expected, let found):
      "\(path): holds \(found) bytes of tensors where the header describes \(expected); "
        + "copy or download it again"
    case .missingKey(let path, let key): "\(path): has no tensor '\(key)'"
    case .noCheckpoint(let folder, let name):
      "\(folder): holds neither '\(name).safetensors' nor '\(name).safetensors.index.json'; "
        + "download or copy the folder again"
    case .onlyVariants(let folder, let name, let variants):
      "\(folder): holds '\(name).safetensors' only as variant \(Self.list(variants)); "
        + "request it: variant \(variants.first ?? "")"
    case .noVariant(let folder, let name, let variant, let others, let hasPlain):
      "\(folder): has no variant '\(variant)' of '\(name).safetensors'; there "
        + (others.isEmpty ? "is none" : "is \(Self.list(others))")
        + (hasPlain ? ", and the weights without a variant" : "")
    case .pickledOnly(let folder, let name, let file):
      "\(folder): holds '\(file)' but no '\(name).safetensors'; pickled files can run code and are "
        + "not read: download the safetensors files, or convert with save_pretrained of Python"
    case .missingShard(let path, let shard, let key):
      "\(path): '\(key)' is in '\(shard)', which is missing; download or copy that file, too"
    case .shardMismatch(let path, let key, let problem):
      "\(path): '\(key)' \(problem); index and shards belong to different checkpoints"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.map { "'\($0)'" }.joined(separator: ", ")
  }
}
