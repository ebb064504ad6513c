internal import DiffusionPipelines
internal import Foundation
internal import Runs
internal import Torch

/// What decides how prompts are encoded, as one digest that does not depend on where the files lie.
///
/// It covers the configurations, tokenizers and tables of token embeddings byte for byte: a table
/// may differ in one row, such as that of a token which textual inversion trained. Of every other
/// weight it covers name, type, shape and 2,048 numbers from its middle: training changes nearly
/// every number of a weight, and 10 GB need not be read to see it. The tables of Stable Diffusion
/// 3.5 have 0.5 GB.
///
/// What a component gave is noted in the cache, so that a model whose text encoders have been
/// removed to save disk space still finds what they made.
struct EncoderIdentity {
  let digest: String

  private static let version = "tempflow text 2"
  private static let sampleLength = 2048
  /// Ends of the names of tables of token embeddings: CLIP's, and both names of T5's.
  private static let tables = ["token_embedding.weight", "shared.weight", "embed_tokens.weight"]

  /// - Throws: `TrainingError.model` when a file cannot be read, or a component is absent and was
  ///   never seen; `.textCache` when the cache cannot be read or written.
  init(_ settings: PromptCache.Settings, _ index: ModelIndex) throws(TrainingError) {
    var lines = [Self.version, settings.placement.dtype.map { "\($0)" } ?? "as in the files"]
    if index.hasT5 { lines.append("max_sequence_length \(settings.maxSequenceLength)") }
    for component in index.textComponents {
      let folder = "\(settings.model)/\(component)"
      let record = Self.record(of: folder, settings)
      let digest: String
      if FileManager.default.fileExists(atPath: folder) {
        digest = try Self.digest(ofComponent: folder, settings.placement)
        try Self.note(digest, in: record, of: settings.folder)
      } else {
        digest = try Self.noted(record, component: component, of: settings.model)
      }
      lines.append("\(component) \(digest)")
    }
    digest = SHA256.digest(of: lines.joined(separator: "\n").utf8)
  }

  private static func digest(
    ofComponent folder: String, _ placement: Placement
  ) throws(TrainingError) -> String {
    var hash = SHA256()
    for name in try names(in: folder)
    where (name.hasSuffix(".json") || name.hasSuffix(".txt")) && !name.contains(".safetensors") {
      hash.update(text: "\(name)\n")
      do throws(RunError) {
        try AtomicFile.read("\(folder)/\(name)").withUnsafeBytes { hash.update($0) }
      } catch {
        throw .model(error.description)
      }
    }
    guard folder.split(separator: "/").last?.hasPrefix("text_encoder") == true else {
      return hash.digest()
    }
    let weights = try ofModel { () throws(PipelineError) in
      try placement.open(folder: folder, baseName: "model")
    }
    for (name, tensor) in weights.tensors.sorted(by: { $0.key < $1.key }) {
      hash.update(text: "\(name) \(tensor.dtype) \(tensor.shape)\n")
      let isTable = tables.contains { name.hasSuffix($0) }
      let length = isTable ? tensor.count : min(tensor.count, sampleLength)
      tensor.reshaped([-1])
        .narrowed(dim: 0, start: (tensor.count - length) / 2, length: length)
        .withBytes { hash.update($0) }
    }
    return hash.digest()
  }

  /// The file in the cache that notes the digest of a component's folder.
  private static func record(of folder: String, _ settings: PromptCache.Settings) -> String {
    let path = URL(fileURLWithPath: folder).standardizedFileURL.path
    let name = SHA256.digest(of: "\(path)\n\(settings.placement.variant ?? "")".utf8)
    return "\(settings.folder)/components/\(name)"
  }

  private static func note(
    _ digest: String, in record: String, of cache: String
  ) throws(TrainingError) {
    try makeFolder("\(cache)/components")
    do throws(RunError) {
      let isKnown = FileManager.default.fileExists(atPath: record)
      if isKnown, try AtomicFile.read(record).elementsEqual(digest.utf8) { return }
      try AtomicFile.write(digest, to: record)
    } catch {
      throw .textCache(path: record, reason: error.description)
    }
  }

  private static func noted(
    _ record: String, component: String, of model: String
  ) throws(TrainingError) -> String {
    guard FileManager.default.fileExists(atPath: record) else {
      throw .model(
        component.hasSuffix("_3")
          ? PipelineError.absentT5(folder: model).description
          : "\(model)/\(component): it is not there; download or copy it")
    }
    do throws(RunError) {
      return String(decoding: try AtomicFile.read(record), as: UTF8.self)
    } catch {
      throw .textCache(path: record, reason: error.description)
    }
  }
}

extension SHA256 {
  /// Takes in text as UTF-8.
  fileprivate mutating func update(text: String) {
    Array(text.utf8).withUnsafeBytes { update($0) }
  }
}
