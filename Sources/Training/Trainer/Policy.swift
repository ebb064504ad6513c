internal import DiffusionModels
internal import FlowMatching
internal import ImageFiles
internal import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

/// The model that learns, as the trainer sees it: prompts to conditions, a velocity field, images.
final class Policy {
  let pipeline: any FlowModel
  private let recipe: TrainingRecipe
  private let texts: PromptCache
  /// What guidance leads away from; nil without guidance.
  private let negative: PromptEmbeddings?
  /// The model before training, when every weight learns and the loss pulls towards it.
  private let original: (any FlowModel)?
  /// Computes blocks again in the backward pass; nil keeps every intermediate value.
  private let tape: GradientCheckpointing?
  /// Takes rows through the network and back on threads of their own; nil where operators do better
  /// by sharing their work.
  private let record: ThreadedBatch?
  private let decodeMicroBatch: Int

  /// Encodes `prompts` and frees the text encoders, then loads the rest of the recipe's model and
  /// the adapters it begins from; new ones are drawn from the recipe's seed.
  ///
  /// - Parameter decodeMicroBatch: latents decoded at once.
  /// - Throws: `PipelineError`, or `TrainingError` for what is wrong with the prompts' cache or
  ///   `lora.init_from`.
  init(
    _ recipe: TrainingRecipe, prompts: [Prompt], decodeMicroBatch: Int,
    progress: ProgressReporter
  ) throws {
    let isFull = recipe.learning == .full
    let seed = noiseSeed(
      run: recipe.seed, epoch: -1, prompt: -1, seed: -1, step: -1, branch: -1)
    let source =
      try recipe.initialAdapters().map { ParameterSource.checkpoint($0.tensors, origin: $0.origin) }
      ?? ParameterSource.random(Generator(seed: seed))
    let setup = LearningSetup(
      trainable: isFull ? .full : .adapters, adapters: recipe.learning.adapters.map { ($0, source) }
    )
    self.recipe = recipe
    self.decodeMicroBatch = decodeMicroBatch
    tape = recipe.memory.gradientCheckpointing ? GradientCheckpointing() : nil
    texts = try PromptCache(recipe.textSettings, progress: progress)
    let isGuided = recipe.guidance.needsNegative || recipe.evaluationGuidance.needsNegative
    let negativePrompts = isGuided ? [Prompt(recipe.sampling.negativePrompt)] : []
    try texts.prepare(negativePrompts + prompts)
    negative = try texts.embeddings(negativePrompts).first
    pipeline = try recipe.source.load(training: setup)
    original = isFull && recipe.loss.objective.klBeta > 0 ? try recipe.source.load() : nil
    record =
      recipe.recordsRows(
        learnedParameters: pipeline.store.trainable.reduce(0) { $0 + $1.tensor.count })
      ? ThreadedBatch(leaves: pipeline.store.trainable.map(\.tensor)) : nil
  }

  /// The digest of each text encoder and tokenizer, by its folder's name.
  var textDigests: [String: String] { texts.componentDigests }

  /// What learns, in the optimizer's order.
  var trainable: [ParameterStore.Named] { pipeline.store.trainable }

  /// Takes back what a checkpoint saved of `trainable`.
  ///
  /// - Throws: `ParameterError.state` when it belongs to another model or recipe.
  func restore(_ saved: [String: Tensor]) throws(ParameterError) {
    try pipeline.store.restore(saved)
  }

  /// The shape of one latent, `[C, h, w]`.
  var latentShape: [Int] { pipeline.latentShape }

  /// The model's own sigmas.
  func schedule(steps: Int) -> FlowSchedule { pipeline.schedule(stepCount: steps) }

  /// The conditions of `prompts`, as the text encoders encoded them before the run.
  ///
  /// - Throws: `TrainingError`, when what is on disk is damaged and cannot be made again.
  func conditions(_ prompts: [Prompt]) throws(TrainingError) -> [PromptEmbeddings] {
    try texts.embeddings(prompts)
  }

  /// One image per prompt, or why there is none.
  ///
  /// - Throws: as `conditions`.
  func images(
    of prompts: [Prompt], _ sampling: ImageSampling
  ) throws(TrainingError) -> [Result<PixelBuffer, NonFiniteImage>] {
    let latents = try sampling.latents(
      of: prompts, pipeline, negative: negative, embeddings: conditions)
    return sampling.decoded(latents, pipeline)
  }

  /// The velocity of trunks whose prompts are `rows` of `conditions`, as a function of the rows that
  /// every call of the network has on a GPU: at least those of any call of the field; see `padded`.
  func field(
    _ conditions: [PromptEmbeddings], rows: [Int], _ guidance: Guidance
  ) -> (_ size: Int) -> VelocityField {
    let field = field(of: pipeline, conditions, rows, guidance)
    let cost = guidance.rowsPerSample
    return { size in
      let field = self.sized(field, size)
      return { latents, sigma, trunks in
        self.evaluationCount += trunks.count * cost
        return field(latents, sigma, trunks)
      }
    }
  }

  private func sized(_ field: @escaping VelocityField, _ size: Int) -> VelocityField {
    recipe.device == .cpu ? field : padded(field, to: size)
  }

  /// The same of the model before training; nil when the loss has no pull towards it.
  func reference(
    _ conditions: [PromptEmbeddings], rows: [Int], _ guidance: Guidance, size: Int
  ) -> VelocityField? {
    guard recipe.loss.objective.klBeta > 0 else { return nil }
    let field = sized(field(of: original ?? pipeline, conditions, rows, guidance), size)
    let store = pipeline.store
    return { latents, sigma, trunks in
      withoutGradient { store.withoutAdapters { field(latents, sigma, trunks) } }
    }
  }

  private func field(
    of pipeline: any FlowModel, _ conditions: [PromptEmbeddings], _ rows: [Int],
    _ guidance: Guidance
  ) -> VelocityField {
    // Prompts are held once each; their rows are copied for the samples of one call alone.
    let field = pipeline.velocityField(
      conditions, negative: negative, guidance: guidance, checkpointing: tape, batch: record)
    return { latents, sigma, trunks in field(latents, sigma, trunks.map { rows[$0] }) }
  }

  /// Sends a gradient back through a velocity of `field`, into what learns.
  func backward(_ velocity: Tensor, _ gradient: Tensor) {
    velocity.backward(gradient: gradient)
    record?.backward()
    tape?.backward()
  }

  /// Runs what evaluates fields for learning, as `backward` wants them.
  func learning<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let record else { return try body() }
    return try record.within(body)
  }

  /// Rows given to the network through `field` so far, guidance included.
  private(set) var evaluationCount = 0

  /// `[B, C, h, w] -> B images`, or why there is none
  func decode(_ latents: Tensor) -> [Result<PixelBuffer, NonFiniteImage>] {
    pipeline.images(latents, microBatch: decodeMicroBatch)
  }

  /// Writes what was learned: adapters in PEFT's layout into `adapters`, or the whole pipeline in
  /// diffusers' layout into `model`.
  ///
  /// - Parameter record: kept with the adapters.
  /// - Throws: `PipelineError`.
  func export(_ record: LoRARecord, to directory: RunDirectory) throws(PipelineError) {
    switch recipe.learning {
    case .lora:
      try LoRA(pipeline.store, record: record)
        .write(.peft, to: directory.adapters, replacing: true)
    case .full:
      try pipeline.write(to: directory.path + "/model", textFrom: recipe.model)
    }
  }
}
