package import DiffusionModels
internal import Foundation
internal import Foundations
internal import ProcessGroups
package import Runs
internal import TempFlow
internal import Torch

/// Encoded prompts on disk. Text encoders are loaded for new prompts only, and are freed before a
/// transformer is loaded.
///
/// Many processes may use one folder at once. Entries are checked on every read; a damaged file is
/// removed, and its prompts are encoded again. docs/decisions/0007 describes the format.
package final class PromptCache {
  /// The location of the cache, and everything beside the prompt that affects its embeddings.
  package struct Settings: Sendable {
    package var model: ModelSource
    /// The folder of all encoded prompts; created if needed.
    package var folder: String

    package init(_ model: ModelSource, folder: String? = nil) {
      self.model = model
      self.folder = folder ?? PromptCache.defaultFolder
    }
  }

  /// Prompts of one encoder call, and of one file.
  static let batch = 32

  /// How often the text encoders were loaded.
  package private(set) var encoderLoads = 0

  private let settings: Settings
  private let progress: ProgressReporter
  /// The folder of the files with the embeddings of these encoders.
  private let folder: String
  private let family: any FlowModel.Type
  /// Tokens of a prompt for the longest text encoder.
  private let maxSequenceLength: Int
  /// The digest of each text encoder and tokenizer, by its folder's name; see `EncoderFingerprint`.
  let componentDigests: [String: String]
  /// The file of each encoded prompt, by the prompt's key.
  private var homes: [String: String] = [:]
  /// The truncation of long prompts, by the prompt's key.
  private var truncations: [String: PromptTruncation] = [:]
  /// The digests of condition images, by their paths.
  private var imageDigests: [String: String] = [:]
  /// All prepared prompts, in order.
  private var prepared: [(key: String, prompt: Prompt)] = []
  private var preparedKeys: Set<String> = []

  /// Opens the cache and lists the encoded prompts.
  ///
  /// - Throws: `TrainingError.model` if the model's text components are unreadable, `.promptCache`.
  package init(_ settings: Settings, progress: ProgressReporter) throws(TrainingError) {
    self.settings = settings
    self.progress = progress
    let family = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.family(of: settings.model.folder)
    }
    self.family = family
    let (components, defaults) = try ofModel { () throws(PipelineError) in
      (
        try family.promptComponents(of: settings.model),
        try family.defaults(of: settings.model.folder)
      )
    }
    maxSequenceLength = settings.model.maxSequenceLength ?? defaults.maxSequenceLength
    let identity = try EncoderFingerprint(settings, components)
    componentDigests = identity.components
    folder = "\(settings.folder)/\(identity.digest)"
    try listShards()
  }

  /// Finds the encoded prompts on disk.
  private func listShards() throws(TrainingError) {
    guard FileManager.default.fileExists(atPath: folder) else { return }
    let names = try inPromptCache(folder) { () throws(FileError) in
      try FileTree.removeAbandoned(in: folder)
      return try FileTree.names(in: folder)
    }
    for name in names where name.hasSuffix(".safetensors") {
      let path = "\(folder)/\(name)"
      do throws(SafetensorsError) {
        let shard = try EmbeddingShard(path: path)
        for key in shard.keys { homes[key] = path }
        truncations.merge(shard.truncations) { $1 }
      } catch {
        try discard(path, because: error)
      }
    }
  }

  /// Encodes the new ones among the prompts; the text encoders are loaded for it and freed. One
  /// line states how many of the prompts, new or not, the encoders truncate.
  ///
  /// - Throws: `TrainingError.model` if the text encoders cannot be loaded, `.promptCache` if the
  ///   folder cannot be written.
  package func prepare(_ prompts: [Prompt]) throws(TrainingError) {
    let added = try add(prompts)
    try encode(missing)
    report(added)
  }

  /// The same with several processes, each of which encodes some of the prompts. Processes on hosts
  /// that share no cache folder encode what they do not find.
  ///
  /// - Throws: as `prepare`; the failure of another process.
  @MainActor
  func prepare(_ prompts: [Prompt], among group: ProcessGroup) throws {
    guard group.size > 1 else { return try prepare(prompts) }
    // All list the folder before one writes to it, so that all count the same missing prompts.
    let added = try group.agree("listing the prompt cache") { try add(prompts) }
    try group.agree("the prompt cache") {
      try encode(missing, WorkShare(group.rank, of: group.size))
    }
    try group.agree("the prompt cache of this host") {
      try listShards()
      try encode(missing)
    }
    report(added)
  }

  /// Adds prompts to the prepared ones.
  private func add(_ prompts: [Prompt]) throws(TrainingError) -> [(key: String, prompt: Prompt)] {
    let known = prepared.count
    for prompt in prompts {
      let key = try key(of: prompt)
      if preparedKeys.insert(key).inserted { prepared.append((key, prompt)) }
    }
    return Array(prepared[known...])
  }

  /// The prepared prompts that are not encoded.
  private var missing: [(key: String, prompt: Prompt)] {
    prepared.filter { homes[$0.key] == nil }
  }

  /// Says how many of the prompts are truncated.
  private func report(_ added: [(key: String, prompt: Prompt)]) {
    let notice = PromptTruncation.notice(
      added.compactMap { truncations[$0.key] }, of: added.count,
      maxSequenceLength: maxSequenceLength)
    if let notice { progress.message("\(notice).") }
  }

  /// The embeddings of prompts, read from disk to the CPU.
  ///
  /// - Throws: as `prepare`, for a prompt that was not prepared or whose file is damaged.
  package func embeddings(_ prompts: [Prompt]) throws(TrainingError) -> [PromptEmbeddings] {
    try prepare(prompts)
    var keys: [String] = []
    for prompt in prompts { keys.append(try key(of: prompt)) }
    var (entries, damaged) = read(keys)
    if !damaged.isEmpty {
      for (path, error) in damaged { try discard(path, because: error) }
      try prepare([])
      (entries, damaged) = read(keys)
    }
    if let (path, error) = damaged.first {
      throw .promptCache(path: path, reason: error.description)
    }
    return keys.compactMap { entries[$0] }
  }

  /// The key of a prompt: the SHA-256 of its UTF-8 bytes, because equal Swift strings may differ in
  /// their tokens. With condition images, it covers the files' digests as well.
  private func key(of prompt: Prompt) throws(TrainingError) -> String {
    let text = SHA256.digest(of: prompt.text.utf8)
    guard !prompt.images.isEmpty else { return text }
    var parts = [text]
    for path in prompt.images { parts.append(try digest(ofImage: path)) }
    return SHA256.digest(of: parts.joined(separator: "\n").utf8)
  }

  /// The digest of a condition image's file, read once.
  func digest(ofImage path: String) throws(TrainingError) -> String {
    if let known = imageDigests[path] { return known }
    do throws(FileError) {
      let digest = SHA256.digest(of: try AtomicFile.read(path))
      imageDigests[path] = digest
      return digest
    } catch {
      throw .prompts(error.description)
    }
  }

  /// Encodes every `share.parts`-th batch of prompts.
  private func encode(
    _ prompts: [(key: String, prompt: Prompt)], _ share: WorkShare = .whole
  ) throws(TrainingError) {
    let batches = stride(from: 0, to: prompts.count, by: Self.batch).enumerated()
      .filter { $0.offset % share.parts == share.index }
      .map { $0.element..<min($0.element + Self.batch, prompts.count) }
    guard !batches.isEmpty else { return }
    defer { TorchRuntime.releaseFreedMemory() }
    let encoder = try ofModel { () throws(PipelineError) in
      try family.promptEncoder(of: settings.model)
    }
    encoderLoads += 1
    try inPromptCache(folder) { () throws(FileError) in try FileTree.makeFolder(folder) }
    progress.begin("encoding prompts", total: prompts.count, unit: "prompt")
    var stretched = 0
    for range in batches {
      let batch = prompts[range]
      let keys = batch.map(\.key)
      let path = EmbeddingShard.path(of: keys, in: folder)
      var inputs: [PromptInput] = []
      for (_, prompt) in batch { inputs.append(try prompt.input()) }
      if let size = encoder.conditionSize {
        stretched += inputs.count { $0.images.contains(where: size.stretches) }
      }
      let embeddings = encoder.encode(inputs)
      try check(embeddings, of: batch.map(\.prompt.text))
      do throws(SafetensorsError) {
        for (key, prompt) in batch { truncations[key] = encoder.truncation(of: prompt.text) }
        try EmbeddingShard.write(embeddings, keys: keys, truncations: truncations, to: path)
      } catch {
        throw .promptCache(path: path, reason: error.description)
      }
      for key in keys { homes[key] = path }
      progress.update(range.upperBound)
    }
    progress.end()
    if stretched > 0, let size = encoder.conditionSize {
      progress.message(
        "the source images of \(stretched) of \(prompts.count) prompts have other proportions than "
          + "\(size.width) x \(size.height) and are stretched; crop them to keep theirs.")
    }
  }

  /// Checks that embeddings are finite; a non-finite entry would spoil every later run.
  private func check(
    _ embeddings: [PromptEmbeddings], of prompts: [String]
  ) throws(TrainingError) {
    for (prompt, entry) in zip(prompts, embeddings) {
      guard let part = firstNonFinite(entry.tensors) else { continue }
      let dtype = settings.model.placement.dtype.map { "\($0)" } ?? "the files' precision"
      throw .model(
        "\(settings.model.folder): the embeddings of '\(prompt)' are not finite "
          + "(\(part), \(dtype)); encode in bfloat16 or float32")
    }
  }

  /// The entries of `keys`, and the unreadable files with the reason.
  private func read(
    _ keys: [String]
  ) -> (entries: [String: PromptEmbeddings], damaged: [String: SafetensorsError]) {
    var entries: [String: PromptEmbeddings] = [:]
    var damaged: [String: SafetensorsError] = [:]
    for (path, keys) in Dictionary(grouping: Set(keys), by: { homes[$0] ?? folder }) {
      do throws(SafetensorsError) {
        let shard = try EmbeddingShard(path: path)
        for key in keys { entries[key] = try shard.embeddings(of: key) }
      } catch {
        damaged[path] = error
      }
    }
    return (entries, damaged)
  }

  /// Removes a damaged file, unless another process has removed it already. One that is there and
  /// cannot be read may be sound, and others may use it.
  private func discard(_ path: String, because error: SafetensorsError) throws(TrainingError) {
    let isThere = FileManager.default.fileExists(atPath: path)
    if isThere, case .cannotRead(_, let reason) = error {
      throw .promptCache(path: path, reason: reason)
    }
    progress.message("\(error.description). Its prompts are encoded again.")
    homes = homes.filter { $0.value != path }
    guard isThere else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      // Another process may have been faster.
      guard FileManager.default.fileExists(atPath: path) else { return }
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

/// Runs `body`, which reads the model, and converts its error.
func ofModel<Result>(
  _ body: () throws(PipelineError) -> Result
) throws(TrainingError) -> Result {
  do throws(PipelineError) {
    return try body()
  } catch {
    throw .model(error.description)
  }
}

/// Runs `body` on a file or folder of the cache, and converts its error.
func inPromptCache<Result>(
  _ path: String, _ body: () throws(FileError) -> Result
) throws(TrainingError) -> Result {
  do throws(FileError) {
    return try body()
  } catch {
    throw .promptCache(path: path, reason: error.reason)
  }
}
