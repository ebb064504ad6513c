public import FlowMatching
public import Torch
public import TorchNN

/// A flow-matching model of images: one conforming type per family, in a folder of its own.
///
/// Everything that depends on a model's architecture is behind this protocol: the trainer, the
/// prompt cache, the memory plan, LoRA files, benchmarks and commands know no other.
/// ``FlowModelRegistry`` finds the family of a folder.
///
/// B rows of a batch, latents `[B, C, h, w]`, images of H x W pixels.
public protocol FlowModel: SendableMetatype {
  /// The pipeline's class in diffusers: `_class_name` of `model_index.json`.
  static var className: String { get }

  /// The transformer's class: `_class_name` of `transformer/config.json`.
  static var transformerClassName: String { get }

  /// What recipes and options take where they give no value.
  static var defaults: FlowModelDefaults { get }

  /// The names of the transformer's layers in kohya's LoRA files; nil where there are none.
  static var kohyaLayers: KohyaLayers? { get }

  /// Sizes and costs, by the folder's configuration files and the headers of weights that are there.
  ///
  /// - Throws: `PipelineError` for a file that is missing or malformed, an impossible image size, an
  ///   adapter target that matches nothing.
  static func metadata(
    of source: ModelSource, training: TrainableWeights
  ) throws(PipelineError) -> FlowModelMetadata

  /// The linear layers of the transformer, by its configuration alone.
  static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers

  /// What decides how a prompt is encoded, beside the prompt.
  static func promptComponents(of source: ModelSource) throws(PipelineError) -> PromptComponents

  /// Reads text encoders and tokenizers.
  static func promptEncoder(of source: ModelSource) throws(PipelineError) -> any PromptEncoder

  /// Reads everything but the text encoders.
  ///
  /// - Parameter training: which of the transformer's parameters are trained, and its adapters; the
  ///   other networks are frozen.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do not
  ///   fit, an impossible size.
  init(_ source: ModelSource, training: LearningSetup) throws(PipelineError)

  /// The parameters of the transformer.
  var store: ParameterStore { get }

  /// The sizes of images, latents and tokens.
  var geometry: ImageGeometry { get }

  /// Shape of the latents of `count` images. `[count, C, h, w]`
  func latentShape(count: Int) -> [Int]

  /// The sigmas of a sample in `stepCount` steps.
  func schedule(stepCount: Int) -> FlowSchedule

  /// The network's velocity in float32, without classifier-free guidance.
  ///
  /// - Parameters:
  ///   - prompts: what prompt indices 0..<count select.
  ///   - negative: what the index after the last selects; nil for none.
  ///   - embeddedGuidance: the scale that the network takes as an input; nil where it takes none.
  ///   - checkpointing: recomputes the blocks' activations in the backward pass; nil keeps them.
  func velocityField(
    of prompts: [PromptEmbeddings], negative: PromptEmbeddings?, embeddedGuidance: Double?,
    checkpointing: GradientCheckpointing?
  ) -> VelocityField

  /// The decoder's images. `[B, C, h, w] -> float32 [B, 3, H, W]`, -1...1
  func decoded(_ latents: Tensor) -> Tensor

  /// The precision in which latents are decoded.
  var decoderDType: DType { get }

  /// The side in pixels of the tiles that larger images are decoded in; nil decodes them whole.
  var tileSide: Int? { get set }

  /// What `tileSide` must be a multiple of.
  var tileUnit: Int { get }

  /// Writes a folder that diffusers loads; adapters are left out.
  ///
  /// The folder is written beside its place and renamed into it once it is complete.
  ///
  /// - Parameter source: the model folder whose text encoders, tokenizers and index are copied; nil
  ///   writes those of the model in memory, which must then have them.
  /// - Throws: `PipelineError`; an older folder is then unchanged.
  func write(to folder: String, textFrom source: String?) throws(PipelineError)
}

extension FlowModel {
  /// The device of the networks.
  public var device: Device { store.device }

  /// The precision of the transformer.
  public var dtype: DType { store.weights[0].tensor.dtype }

  /// The shape of one latent, `[C, h, w]`.
  public var latentShape: [Int] { Array(latentShape(count: 1).dropFirst()) }
}

/// What a family takes where a recipe or an option gives no value.
public struct FlowModelDefaults: Sendable {
  /// How a guidance scale is applied.
  public enum GuidanceKind: Sendable {
    case none, embedded, classifierFree
  }

  public var guidance: GuidanceKind
  public var guidanceScale: Double
  /// Of the stochastic step.
  public var noiseLevel: Double
  /// PEFT's `target_modules`.
  public var loraTargets: [String]
  /// Tokens of a prompt for the longest text encoder.
  public var maxSequenceLength: Int
  /// What `maxSequenceLength` may be.
  public var sequenceLengths: ClosedRange<Int>
  /// Condition images that a prompt may have.
  public var conditionImages: ClosedRange<Int>

  public init(
    guidance: GuidanceKind, guidanceScale: Double, noiseLevel: Double, loraTargets: [String],
    maxSequenceLength: Int, sequenceLengths: ClosedRange<Int>,
    conditionImages: ClosedRange<Int> = 0...0
  ) {
    self.guidance = guidance
    self.guidanceScale = guidanceScale
    self.noiseLevel = noiseLevel
    self.loraTargets = loraTargets
    self.maxSequenceLength = maxSequenceLength
    self.sequenceLengths = sequenceLengths
    self.conditionImages = conditionImages
  }

  /// The guidance of a scale: classifier-free guidance up to a scale of 1 is none, as in diffusers.
  public func guidance(scale: Double) -> Guidance { Self.guidance(guidance, scale: scale) }

  /// The same of a kind.
  public static func guidance(_ kind: GuidanceKind, scale: Double) -> Guidance {
    switch kind {
    case .none: .none
    case .embedded: .embedded(scale: scale)
    case .classifierFree: scale > 1 ? .classifierFree(scale: scale) : .none
    }
  }
}
