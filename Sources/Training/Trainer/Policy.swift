internal import DiffusionModels
internal import FlowMatching
internal import Foundation
internal import ImageFiles
internal import ProcessGroups
internal import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

/// The model in training: from prompts to velocities, latents to images, weights to files.
@MainActor
final class Policy {
  private let recipe: TrainingRecipe
  private var model: any FlowModel
  /// The model before training, where every weight is trained and the loss has a KL term. A network
  /// with its adapters off is its own reference.
  private var original: (any FlowModel)?
  private let promptCache: PromptCache
  /// The embeddings of the negative prompt; nil without classifier-free guidance.
  private let negative: PromptEmbeddings?
  private let graph: PolicyGraph
  private let decodeMicroBatch: Int
  /// The weights of the old policy; nil for the policy loss, whose old policy is the rollout's.
  let old: WeightCopy?

  /// Encodes `prompts` and frees the text encoders, then loads the rest of the recipe's model and
  /// the adapters of `lora.init_from`; new ones are drawn from the recipe's seed.
  ///
  /// - Parameters:
  ///   - prompts: of the run, without the negative one.
  ///   - decodeMicroBatch: latents decoded at once.
  ///   - group: the processes of the run, which share the encoding.
  /// - Throws: the failure of another process, `PipelineError`, or `TrainingError` for what is
  ///   wrong with the prompt cache or `lora.init_from`.
  init(
    _ recipe: TrainingRecipe, _ prompts: RunPrompts, decodeMicroBatch: Int,
    progress: ProgressReporter, _ group: ProcessGroup
  ) throws {
    self.recipe = recipe
    self.decodeMicroBatch = decodeMicroBatch
    if recipe.learning == .full { try Self.checkText(of: recipe.model) }
    let initial = try recipe.initialAdapters()
    let setup = Self.learningSetup(recipe, initial, recipe.shards(of: group))
    promptCache = try PromptCache(recipe.textSettings, progress: progress)
    let negativePrompts = recipe.needsNegative ? [Prompt(recipe.sampling.negativePrompt)] : []
    try promptCache.prepare(
      negativePrompts + prompts.used(epochs: recipe.epochs), among: group)
    negative = try promptCache.embeddings(negativePrompts).first
    model = try recipe.source.load(training: setup)
    for difference in initial?.differences(
      imageSize: model.geometry.image, maxSequenceLength: recipe.maxSequenceLength) ?? []
    {
      progress.message("warning: \(difference)")
    }
    let needsCopy = recipe.learning == .full && recipe.loss.objective.klBeta > 0
    original = needsCopy ? try recipe.source.load() : nil
    let texts = (negativePrompts + prompts.all).map(\.text)
    try model.fit(to: texts, of: recipe.source)
    try original?.fit(to: texts, of: recipe.source)
    if let rows = model.promptRows {
      progress.message("every model call has \(rows) rows of text, for the run's longest prompt.")
    }
    graph = PolicyGraph(recipe, leaves: model.store.trainable.map(\.tensor))
    old = recipe.loss.forward == nil ? nil : WeightCopy(model.store.trainable)
  }

  /// A run that trains every weight writes the whole pipeline at its end, with text encoders that
  /// it may not need before.
  private static func checkText(of folder: String) throws(PipelineError) {
    for name in try ModelIndex(folder: folder).components
    where name.hasPrefix("text_encoder") || name.hasPrefix("tokenizer") {
      guard !FileManager.default.fileExists(atPath: "\(folder)/\(name)") else { continue }
      throw .inconsistent(
        path: "\(folder)/\(name)",
        reason: "it is missing, and a run with trainable: full writes the whole pipeline at its "
          + "end; download or copy it")
    }
  }

  private static func learningSetup(
    _ recipe: TrainingRecipe, _ initial: LoRA?, _ shards: (any ShardGroup)?
  ) -> LearningSetup {
    let seed = noiseSeed(run: recipe.seed, epoch: -1, prompt: -1, seed: -1, step: -1, branch: -1)
    let source =
      initial.map { ParameterSource.checkpoint($0.tensors, origin: $0.origin) }
      ?? ParameterSource.random(Generator(seed: seed))
    return LearningSetup(
      trainable: recipe.learning == .full ? .full : .adapters,
      adapters: recipe.learning.adapters.map { ($0, source) }, shards: shards)
  }

  /// The digest of each text encoder and tokenizer, by its folder's name.
  var textDigests: [String: String] { promptCache.componentDigests }

  /// Whether the model edits source images.
  var takesSources: Bool { model.defaults.conditionImages.upperBound > 0 }

  /// The digest of a condition image's file.
  ///
  /// - Throws: `TrainingError.prompts` for a file that cannot be read.
  func digest(ofImage path: String) throws(TrainingError) -> String {
    try promptCache.digest(ofImage: path)
  }

  /// The trainable parameters, in the optimizer's order.
  var trainable: [ParameterStore.Named] { model.store.trainable }

  /// Restores `trainable` from a checkpoint.
  ///
  /// - Throws: `ParameterError.state` when it belongs to another model or recipe.
  func restore(_ saved: [String: Tensor]) throws(ParameterError) {
    try model.store.restore(saved)
  }

  /// Runs `body` with the weights of the old policy, if it has weights of its own.
  func withOldPolicy<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let old else { return try body() }
    return try old.inUse(body)
  }

  /// The shape of one latent, `[C, h, w]`.
  var latentShape: [Int] { model.latentShape }

  /// Rows of a prompt in every model call, where prompts of unequal length are padded.
  var promptRows: Int? { model.promptRows }

  /// The pipeline's class.
  var modelClass: String { model.className }

  /// The size of an image, in pixels.
  var imageSize: ImageSize { model.geometry.image }

  /// The model's own sigmas.
  func schedule(steps: Int) -> FlowSchedule { model.schedule(stepCount: steps) }

  /// Writes the trained weights: adapters in PEFT's layout into `adapters`, or the whole model
  /// in diffusers' layout into `model`.
  ///
  /// - Parameter record: kept with the adapters.
  /// - Throws: `PipelineError`.
  func export(_ record: LoRARecord, to directory: RunDirectory) throws(PipelineError) {
    switch recipe.learning {
    case .lora:
      try LoRA(model.store, record: record)
        .write(.peft, to: directory.adapters, replacing: true)
    case .full:
      try model.write(to: directory.model, textFrom: recipe.model)
    }
  }
}

// MARK: - Velocities and images

extension Policy {
  /// The velocity of `trunks`, whose prompts are numbered as in `prompts`.
  ///
  /// - Throws: `TrainingError` when the prompt cache is damaged and an entry cannot be made again.
  func velocity(
    of prompts: [Prompt], _ trunks: [TrunkID]
  ) throws(TrainingError) -> PolicyVelocity {
    let embeddings = try promptCache.embeddings(prompts)
    let rows = trunks.map(\.prompt)
    let field = field(of: model, embeddings, rows)
    let needsReference = recipe.loss.objective.klBeta > 0
    let fields = PolicyFields(
      policy: field, reference: needsReference ? reference(field, embeddings, rows) : nil,
      old: old.map { old in
        { latents, sigma, trunks in
          withoutGradient { old.inUse { field(latents, sigma, trunks) } }
        }
      })
    return PolicyVelocity(
      fields, networkRows: recipe.guidance.rowsPerSample, padsBatches: recipe.device != .cpu,
      latent: (latentShape, recipe.device), graph)
  }

  /// Makes sure that the embeddings of prompts can be read.
  ///
  /// - Throws: as `velocity`.
  func check(_ prompts: [Prompt]) throws(TrainingError) {
    for prompt in prompts { _ = try promptCache.embeddings([prompt]) }
  }

  private func field(
    of model: any FlowModel, _ embeddings: [PromptEmbeddings], _ rows: [Int]
  ) -> VelocityField {
    // Embeddings are held once per prompt; each call copies the rows of its own samples.
    let field = model.velocityField(
      embeddings, negative: negative, guidance: recipe.guidance,
      checkpointing: graph.checkpointing, batch: graph.threadedBatch)
    return { latents, sigma, trunks in field(latents, sigma, trunks.map { rows[$0] }) }
  }

  /// The velocity of the model before training, evaluated without gradients.
  private func reference(
    _ field: @escaping VelocityField, _ embeddings: [PromptEmbeddings], _ rows: [Int]
  ) -> VelocityField {
    let field = original.map { self.field(of: $0, embeddings, rows) } ?? field
    let store = model.store
    return { latents, sigma, trunks in
      withoutGradient { store.withoutAdapters { field(latents, sigma, trunks) } }
    }
  }

  /// `[B, C, h, w] -> B images`, each an image or the reason why there is none.
  func decode(_ latents: Tensor) -> [Result<PixelBuffer, NonFiniteImage>] {
    model.images(latents, microBatch: decodeMicroBatch)
  }

  /// The images of some of `prompts`, each an image or the reason why there is none. An image does
  /// not depend on which others are made with it.
  ///
  /// - Parameter range: the places of the prompts.
  /// - Throws: as `velocity`.
  func images(
    of prompts: [Prompt], _ range: Range<Int>, _ sampling: ImageSampling
  ) throws(TrainingError) -> [Result<PixelBuffer, NonFiniteImage>] {
    guard !range.isEmpty else { return [] }
    let latents = try sampling.latents(
      of: Array(prompts[range]), from: sampling.noise(of: range, latentShape: latentShape), model,
      negative: negative, rowsPerCall: min(sampling.batch, prompts.count),
      embeddings: promptCache.embeddings)
    return decode(latents)
  }
}
