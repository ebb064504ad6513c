internal import Foundations

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The names of the files of one network's weights in diffusers and transformers.
struct WeightsFileNames {
  let baseName: String
  let variant: String?

  init(_ baseName: String, variant: String?) {
    self.baseName = baseName
    self.variant = variant
  }

  /// All weights in one file.
  var file: String { "\(baseName)\(variant.map { ".\($0)" } ?? "")\(suffix)" }

  /// The index, which lists the shards by name.
  var index: String { "\(baseName)\(indexSuffix)\(variant.map { ".\($0)" } ?? "").json" }

  private let suffix = ".safetensors"
  private let indexSuffix = ".safetensors.index"

  /// Whether a folder has one of them.
  func exist(in folder: String) -> Bool {
    [file, index].contains { access("\(folder)/\($0)", F_OK) == 0 }
  }

  /// The names in a folder; none where there is no folder.
  static func all(in folder: String) throws(SafetensorsError) -> Set<String> {
    do throws(FileError) {
      return try FileTree.isFolder(folder) ? Set(FileTree.names(in: folder)) : []
    } catch {
      throw .cannotRead(path: folder, reason: error.reason)
    }
  }

  /// The error for a folder with the files `present`, which include neither.
  func absence(folder: String, present: Set<String>) -> SafetensorsError {
    let variants = Set(present.compactMap(variant(ofFile:))).sorted()
    let plain = WeightsFileNames(baseName, variant: nil)
    let hasPlain = present.contains(plain.file) || present.contains(plain.index)
    if let variant, hasPlain || !variants.isEmpty {
      return .noVariant(
        folder: folder, name: baseName, variant: variant, others: variants, hasPlain: hasPlain)
    }
    if !variants.isEmpty {
      return .onlyVariants(folder: folder, name: baseName, variants: variants)
    }
    if let pickled = present.filter({ name in pickleSuffixes.contains { name.hasSuffix($0) } })
      .min()
    {
      return .pickledOnly(folder: folder, name: baseName, file: pickled)
    }
    return .noCheckpoint(folder: folder, name: baseName)
  }

  /// The variant that a file or an index of this network belongs to; nil for others.
  private func variant(ofFile name: String) -> String? {
    for (head, tail) in [("\(baseName).", suffix), ("\(baseName)\(indexSuffix).", ".json")] {
      guard name.hasPrefix(head), name.hasSuffix(tail), name.count > head.count + tail.count
      else { continue }
      let middle = name.dropFirst(head.count).dropLast(tail.count)
      // The name of a shard also has its number, after a dash.
      if !middle.contains(where: { $0 == "." || $0 == "-" }) { return String(middle) }
    }
    return nil
  }
}

/// File name suffixes of pickled weights.
private let pickleSuffixes = [".bin", ".bin.index.json", ".ckpt", ".pt", ".pth"]
