package import DiffusionModels
package import DiffusionPipelines
internal import Foundation
package import Runs
internal import Torch

/// Encoded prompts on disk, so that text encoders are opened for prompts that are new alone, and
/// are gone again before a transformer is loaded.
///
/// Many processes may use one folder at once. Entries are checked whenever they are read; a damaged
/// file is removed, and its prompts are encoded again. docs/decisions/0007 describes the format.
package final class PromptCache {
  /// What decides an encoded prompt, beside its text; and where it is kept.
  package struct Settings: Sendable {
    /// A folder in diffusers layout.
    package var model: String
    /// The folder of all encoded prompts; made if needed.
    package var folder: String
    package var placement: Placement
    /// Tokens of a prompt for T5, or rows of zeros in their place.
    package var maxSequenceLength: Int

    package init(
      model: String, folder: String? = nil, placement: Placement = Placement(),
      maxSequenceLength: Int = PromptEncoder.defaultMaxSequenceLength
    ) {
      self.model = model
      self.folder = folder ?? PromptCache.defaultFolder
      self.placement = placement
      self.maxSequenceLength = maxSequenceLength
    }
  }

  /// Prompts of one call of the encoders, and of one file.
  private static let batch = 32

  /// How often the text encoders were loaded.
  package private(set) var encoderLoads = 0

  private let settings: Settings
  private let progress: ProgressReporter
  /// The folder of the files with what these encoders make of prompts.
  private let folder: String
  private let rowWidth: Int
  /// The digest of each text encoder and tokenizer, by its folder's name; see `EncoderFingerprint`.
  let componentDigests: [String: String]
  /// The file of each encoded prompt, by the prompt's key.
  private var homes: [String: String] = [:]
  /// What the encoders leave out of long prompts, by the prompt's key.
  private var truncations: [String: PromptTruncation] = [:]
  /// All prompts that were asked for, in order.
  private var wanted: [(key: String, prompt: String)] = []
  private var wantedKeys: Set<String> = []

  /// Finds what has been encoded before.
  ///
  /// - Throws: `TrainingError.model` when the model's text parts cannot be read, `.textCache`.
  package init(_ settings: Settings, progress: ProgressReporter) throws(TrainingError) {
    self.settings = settings
    self.progress = progress
    let (index, text) = try ofModel { () throws(PipelineError) in
      (try ModelIndex(folder: settings.model), try TransformerText(folder: settings.model))
    }
    rowWidth = text.rowWidth
    let identity = try EncoderFingerprint(settings, index)
    componentDigests = identity.components
    folder = "\(settings.folder)/\(identity.digest)"
    for name in try names(in: folder) where name.hasSuffix(".safetensors") {
      let path = "\(folder)/\(name)"
      do throws(SafetensorsError) {
        let shard = try EmbeddingShard(path: path)
        for key in shard.keys { homes[key] = path }
        truncations.merge(shard.truncations) { $1 }
      } catch {
        try discard(path, because: error.description)
      }
    }
  }

  /// Encodes those of the prompts that are new; the text encoders are loaded for it and freed. One
  /// line says how many of the prompts, new or not, the encoders cut.
  ///
  /// - Throws: `TrainingError.model` when the text encoders cannot be loaded, `.textCache` when
  ///   the folder cannot be written.
  package func prepare(_ prompts: [String]) throws(TrainingError) {
    let known = wanted.count
    for prompt in prompts {
      let key = EmbeddingShard.key(prompt)
      if wantedKeys.insert(key).inserted { wanted.append((key, prompt)) }
    }
    let missing = wanted.filter { homes[$0.key] == nil }
    if !missing.isEmpty {
      try encode(missing)
      TorchRuntime.releaseFreedMemory()
    }
    let added = wanted[known...]
    let notice = PromptTruncation.notice(
      added.compactMap { truncations[$0.key] }, of: added.count,
      maxSequenceLength: settings.maxSequenceLength)
    if let notice { progress.message("\(notice).") }
  }

  /// The conditions of prompts, read from disk. `B prompts -> B samples`, on the CPU
  ///
  /// - Throws: as `prepare`, for a prompt that was not prepared or whose file is damaged.
  package func conditions(_ prompts: [String]) throws(TrainingError) -> TextCondition {
    try prepare(prompts)
    let keys = prompts.map(EmbeddingShard.key)
    var (entries, damaged) = read(keys)
    if !damaged.isEmpty {
      for (path, reason) in damaged { try discard(path, because: reason) }
      try prepare([])
      (entries, damaged) = read(keys)
    }
    if let (path, reason) = damaged.first { throw .promptCache(path: path, reason: reason) }
    let found = keys.compactMap { entries[$0] }
    let t5 = found.compactMap(\.t5)
    return PromptEmbeddings(
      clip: Tensor.cat(found.map(\.clip), dim: 0), t5: t5.isEmpty ? nil : Tensor.cat(t5, dim: 0),
      pooled: Tensor.cat(found.map(\.pooled), dim: 0)
    ).condition(width: rowWidth, t5Length: settings.maxSequenceLength)
  }

  private func encode(_ prompts: [(key: String, prompt: String)]) throws(TrainingError) {
    let encoder = try ofModel { () throws(PipelineError) in
      try PromptEncoder(
        folder: settings.model, settings.placement,
        maxSequenceLength: settings.maxSequenceLength)
    }
    encoderLoads += 1
    try makeFolder(folder)
    progress.begin("encoding prompts", total: prompts.count)
    for start in stride(from: 0, to: prompts.count, by: Self.batch) {
      let batch = prompts[start..<min(start + Self.batch, prompts.count)]
      let keys = batch.map(\.key)
      let path = EmbeddingShard.path(of: keys, in: folder)
      let embeddings = encoder.encode(batch.map(\.prompt))
      try check(embeddings, of: batch.map(\.prompt))
      do throws(SafetensorsError) {
        for (key, prompt) in batch { truncations[key] = encoder.truncation(of: prompt) }
        try EmbeddingShard.write(embeddings, keys: keys, truncations: truncations, to: path)
      } catch {
        throw .promptCache(path: path, reason: error.description)
      }
      for key in keys { homes[key] = path }
      progress.update(start + batch.count)
    }
    progress.end()
  }

  /// Makes sure that what is kept of prompts is finite; it would spoil every later run.
  private func check(
    _ embeddings: PromptEmbeddings, of prompts: [String]
  ) throws(TrainingError) {
    let parts = [("CLIP", embeddings.clip), ("CLIP's pooled text", embeddings.pooled)]
      + (embeddings.t5.map { [("T5", $0)] } ?? [])
    guard let part = firstNonFinite(parts.map { (name: $0, tensor: $1) }) else { return }
    let rows = prompts.indices.map { row in
      (name: prompts[row], tensor: Tensor.cat(
        parts.map { $1.narrowed(dim: 0, start: row, length: 1).reshaped([-1]).to(.float32) },
        dim: 0))
    }
    let dtype = settings.placement.dtype.map { "\($0)" } ?? "the files' precision"
    throw .model(
      "\(settings.model): the text encoders make non-finite numbers of "
        + "'\(firstNonFinite(rows) ?? prompts[0])' (\(part), \(dtype)); encode in bfloat16 or float32")
  }

  /// The entries of `keys`, and the files that could not give theirs, with the reason.
  private func read(
    _ keys: [String]
  ) -> (entries: [String: PromptEmbeddings], damaged: [String: String]) {
    var entries: [String: PromptEmbeddings] = [:]
    var damaged: [String: String] = [:]
    for (path, keys) in Dictionary(grouping: Set(keys), by: { homes[$0] ?? folder }) {
      do throws(SafetensorsError) {
        let shard = try EmbeddingShard(path: path)
        for key in keys { entries[key] = try shard.embeddings(of: key) }
      } catch {
        damaged[path] = error.description
      }
    }
    return (entries, damaged)
  }

  /// Removes a damaged file; another process may have done so before.
  private func discard(_ path: String, because reason: String) throws(TrainingError) {
    progress.message("\(reason). Its prompts are encoded again.")
    homes = homes.filter { $0.value != path }
    guard FileManager.default.fileExists(atPath: path) else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw .promptCache(path: path, reason: error.localizedDescription)
    }
  }
}

extension PromptCache {
  /// `tempflow/text` in the user's cache folder.
  package static var defaultFolder: String {
    let environment = ProcessInfo.processInfo.environment
    let base = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    return (base ?? FileManager.default.homeDirectoryForCurrentUser.path + "/.cache")
      + "/tempflow/text"
  }
}

/// Runs `body`, which reads the model.
func ofModel<Result>(
  _ body: () throws(PipelineError) -> Result
) throws(TrainingError) -> Result {
  do throws(PipelineError) {
    return try body()
  } catch {
    throw .model(error.description)
  }
}

/// Makes a folder of the cache.
func makeFolder(_ path: String) throws(TrainingError) {
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw .promptCache(path: path, reason: error.localizedDescription)
  }
}

/// The names in a folder, in order; none when it is not there.
func names(in folder: String) throws(TrainingError) -> [String] {
  guard FileManager.default.fileExists(atPath: folder) else { return [] }
  do {
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  } catch {
    throw .promptCache(path: folder, reason: error.localizedDescription)
  }
}
