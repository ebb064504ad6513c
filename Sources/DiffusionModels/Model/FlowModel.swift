public import FlowMatching
public import Torch
public import TorchNN

/// A flow-matching model of images: one conforming type per family, in a folder of its own.
///
/// The interface to everything that depends on a model's architecture: the trainer, the prompt
/// cache, the memory plan, LoRA files, benchmarks and commands use this protocol alone.
/// ``FlowModelRegistry`` finds the family of a folder.
///
/// B rows of a batch, latents `[B, C, h, w]`, images of H x W pixels.
public protocol FlowModel: SendableMetatype {
  /// The pipeline's classes in diffusers: `_class_name` of `model_index.json`. The first is that of
  /// a folder without an index.
  static var classNames: [String] { get }

  /// The class of this pipeline.
  var className: String { get }

  /// The transformer's class: `_class_name` of `transformer/config.json`.
  static var transformerClassName: String { get }

  /// Default values of recipes and options, for a folder that is not there yet.
  static var defaults: FlowModelDefaults { get }

  /// Default values for the model in a folder: one class may serve models of several kinds.
  ///
  /// - Throws: `PipelineError` for a configuration file that is missing or malformed.
  static func defaults(of folder: String) throws(PipelineError) -> FlowModelDefaults

  /// Default values for this model.
  var defaults: FlowModelDefaults { get }

  /// The names of the transformer's layers in kohya's LoRA files; nil if kohya's layout is
  /// unsupported.
  static var kohyaLayers: KohyaLayers? { get }

  /// Sizes and costs, from the folder's configuration files and the headers of the weights that are
  /// present.
  ///
  /// - Throws: `PipelineError` for a file that is missing or malformed, an impossible image size,
  ///   an adapter target that matches nothing.
  static func metadata(
    of source: ModelSource, training: TrainableWeights
  ) throws(PipelineError) -> FlowModelMetadata

  /// The sizes of images that the model in a folder is made for.
  static func imageSizes(of folder: String) throws(PipelineError) -> ImageSizes

  /// The linear layers of the transformer, from its configuration alone.
  static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers

  /// Everything beside the prompt that affects its embeddings.
  static func promptComponents(of source: ModelSource) throws(PipelineError) -> PromptComponents

  /// The error about a text encoder or tokenizer that is missing and was never seen.
  static func missingComponent(_ component: String, of folder: String) -> PipelineError

  /// Reads text encoders and tokenizers.
  static func promptEncoder(of source: ModelSource) throws(PipelineError) -> any PromptEncoder

  /// Loads all components except the text encoders.
  ///
  /// - Parameter training: which of the transformer's parameters are trained, and its adapters; the
  ///   other networks are frozen.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, an impossible size.
  init(_ source: ModelSource, training: LearningSetup) throws(PipelineError)

  /// The parameters of the transformer.
  var store: ParameterStore { get }

  /// The sizes of images, latents and tokens.
  var geometry: ImageGeometry { get }

  /// Shape of the latents of `count` images. `[count, C, h, w]`
  func latentShape(count: Int) -> [Int]

  /// The sigmas of a sample in `stepCount` steps.
  func schedule(stepCount: Int) -> FlowSchedule

  /// Fits the model to all prompts of a run. Where embeddings of unequal length are padded, every
  /// call evaluates one width, whatever prompts it has, so that a prompt has the same bits in each.
  ///
  /// - Parameters:
  ///   - prompts: the training prompts, the held-out and the negative ones.
  ///   - source: the source of this model.
  /// - Throws: `PipelineError` for a tokenizer that cannot be read.
  mutating func fit(to prompts: [String], of source: ModelSource) throws(PipelineError)

  /// Rows of a prompt in every call, once the model is fitted to a run; nil where prompts have one
  /// length.
  var promptRows: Int? { get }

  /// The network's velocity in float32, without classifier-free guidance.
  ///
  /// - Parameters:
  ///   - prompts: the prompts of indices 0..<count.
  ///   - negative: the prompt of the index after the last; nil for none.
  ///   - embeddedGuidance: the guidance scale as an input of the network; nil for networks without
  ///     that input.
  ///   - checkpointing: recomputes the blocks' activations in the backward pass; nil keeps them.
  func velocityField(
    of prompts: [PromptEmbeddings], negative: PromptEmbeddings?, embeddedGuidance: Double?,
    checkpointing: GradientCheckpointing?
  ) -> VelocityField

  /// Decodes latents to images. `[B, C, h, w] -> float32 [B, 3, H, W]`, -1...1
  func decoded(_ latents: Tensor) -> Tensor

  /// The precision of decoding.
  var decoderDType: DType { get }

  /// The side, in pixels, of the tiles for decoding larger images; nil decodes them whole.
  var tileSide: Int? { get set }

  /// The granularity of `tileSide`, in pixels.
  var tileUnit: Int { get }

  /// Writes a folder that diffusers loads, without adapters.
  ///
  /// A temporary folder is written beside the target and renamed once it is complete.
  ///
  /// - Parameter source: the model folder whose text encoders, tokenizers and index are copied; nil
  ///   writes those of the model in memory, which must be loaded.
  /// - Throws: `PipelineError`; an older folder is then unchanged.
  func write(to folder: String, textFrom source: String?) throws(PipelineError)
}

extension FlowModel {
  public static func defaults(of folder: String) throws(PipelineError) -> FlowModelDefaults {
    defaults
  }

  public var defaults: FlowModelDefaults { Self.defaults }

  public var className: String { Self.classNames[0] }

  /// For a family whose prompts all have one length.
  public mutating func fit(
    to prompts: [String], of source: ModelSource
  ) throws(PipelineError) {}

  public var promptRows: Int? { nil }

  public static func missingComponent(_ component: String, of folder: String) -> PipelineError {
    .missingComponent(component, of: folder)
  }

  /// The device of the networks.
  public var device: Device { store.device }

  /// The precision of the transformer.
  public var dtype: DType { store.weights[0].tensor.dtype }

  /// The shape of one latent, `[C, h, w]`.
  public var latentShape: [Int] { Array(latentShape(count: 1).dropFirst()) }
}

/// A family's default values of recipes and options.
public struct FlowModelDefaults: Sendable {
  /// How a guidance scale is applied.
  public enum GuidanceKind: Sendable, Equatable {
    case none, embedded
    /// See `Guidance.classifierFree(scale:rescalingPatch:)`.
    case classifierFree(rescalingPatch: Int? = nil)

    /// Whether a negative prompt has an effect, with a scale above 1.
    public var hasNegative: Bool {
      if case .classifierFree = self { true } else { false }
    }
  }

  public var guidance: GuidanceKind
  public var guidanceScale: Double
  /// The negative prompt of classifier-free guidance.
  public var negativePrompt: String
  /// Noise level of the stochastic step.
  public var noiseLevel: Double
  /// PEFT's `target_modules`.
  public var loraTargets: [String]
  /// Tokens of a prompt for the longest text encoder.
  public var maxSequenceLength: Int
  /// The range of `maxSequenceLength`.
  public var sequenceLengths: ClosedRange<Int>
  /// The number of condition images of a prompt.
  public var conditionImages: ClosedRange<Int>
  /// Settings of training with evidence; training with others is warned of. Empty if any may work.
  public var knownSettings: [KnownTrainingSetting]

  public init(
    guidance: GuidanceKind, guidanceScale: Double, negativePrompt: String = "",
    noiseLevel: Double, loraTargets: [String], maxSequenceLength: Int,
    sequenceLengths: ClosedRange<Int>,
    conditionImages: ClosedRange<Int> = 0...0, knownSettings: [KnownTrainingSetting] = []
  ) {
    self.guidance = guidance
    self.guidanceScale = guidanceScale
    self.negativePrompt = negativePrompt
    self.noiseLevel = noiseLevel
    self.loraTargets = loraTargets
    self.maxSequenceLength = maxSequenceLength
    self.sequenceLengths = sequenceLengths
    self.conditionImages = conditionImages
    self.knownSettings = knownSettings
  }

  /// The guidance for a scale: classifier-free guidance with a scale up to 1 is off, as in
  /// diffusers.
  public func guidance(scale: Double) -> Guidance { Self.guidance(guidance, scale: scale) }

  /// The guidance for a kind and a scale.
  public static func guidance(_ kind: GuidanceKind, scale: Double) -> Guidance {
    switch kind {
    case .none: .none
    case .embedded: .embedded(scale: scale)
    case .classifierFree(let patch):
      scale > 1 ? .classifierFree(scale: scale, rescalingPatch: patch) : .none
    }
  }
}
