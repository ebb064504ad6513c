internal import DiffusionModels
internal import Foundation
internal import Foundations
internal import Torch

/// One digest of everything beside the prompt that affects its embeddings, independent of the
/// files' paths.
///
/// It covers configurations, tokenizers and weights as `ComponentDigest` does.
///
/// The digest of each component is stored in the cache, so that a model whose text encoders have
/// been removed to save disk space still finds its embeddings.
struct EncoderFingerprint {
  let digest: String
  /// The digest of each text encoder and tokenizer, by its folder's name.
  let components: [String: String]

  private static let version = "tempflow text 7"

  /// - Throws: `TrainingError.model` if a file is unreadable, or if a component is absent and has
  ///   no stored digest; `.promptCache` if the cache cannot be read or written.
  init(_ settings: PromptCache.Settings, _ components: PromptComponents) throws(TrainingError) {
    let dtype = settings.model.placement.dtype.map { "\($0)" } ?? "as in the files"
    var lines = [Self.version, dtype] + components.settings
    var digests: [String: String] = [:]
    for component in components.folders {
      let folder = "\(settings.model.folder)/\(component)"
      let record = Self.record(of: folder, settings)
      let digest: String
      if FileManager.default.fileExists(atPath: folder) {
        digest = try Self.digest(ofComponent: folder, settings.model.placement)
        try Self.note(digest, in: record, of: settings.folder)
      } else {
        digest = try Self.noted(record, component: component, of: settings.model.folder)
      }
      lines.append("\(component) \(digest)")
      digests[component] = digest
    }
    self.components = digests
    digest = SHA256.digest(of: lines.joined(separator: "\n").utf8)
  }

  private static func digest(
    ofComponent folder: String, _ placement: Placement
  ) throws(TrainingError) -> String {
    var hash = SHA256()
    try ComponentDigest.add(filesOf: folder, to: &hash)
    guard folder.split(separator: "/").last?.hasPrefix("tokenizer") == false else {
      return hash.digest()
    }
    let weights = try ofModel { () throws(PipelineError) in
      try placement.openWeights(ofComponent: folder)
    }
    for (name, tensor) in weights.tensors.sorted(by: { $0.key < $1.key }) {
      ComponentDigest.add(name, tensor, to: &hash)
    }
    return hash.digest()
  }

  /// The file in the cache with the digest of a component's folder.
  private static func record(of folder: String, _ settings: PromptCache.Settings) -> String {
    let path = URL(fileURLWithPath: folder).standardizedFileURL.path
    let name = SHA256.digest(of: "\(path)\n\(settings.model.placement.variant ?? "")".utf8)
    return "\(settings.folder)/components/\(name)"
  }

  private static func note(
    _ digest: String, in record: String, of cache: String
  ) throws(TrainingError) {
    let folder = "\(cache)/components"
    try inPromptCache(folder) { () throws(FileError) in try FileTree.makeFolder(folder) }
    do throws(FileError) {
      let isKnown = FileManager.default.fileExists(atPath: record)
      if isKnown, try AtomicFile.read(record).elementsEqual(digest.utf8) { return }
      try AtomicFile.write(digest, to: record)
    } catch {
      throw .promptCache(path: record, reason: error.description)
    }
  }

  private static func noted(
    _ record: String, component: String, of model: String
  ) throws(TrainingError) -> String {
    guard FileManager.default.fileExists(atPath: record) else {
      throw .model(
        try ofModel { () throws(PipelineError) in
          try FlowModelRegistry.family(of: model).missingComponent(component, of: model)
        }.description)
    }
    do throws(FileError) {
      return String(decoding: try AtomicFile.read(record), as: UTF8.self)
    } catch {
      throw .promptCache(path: record, reason: error.description)
    }
  }
}
