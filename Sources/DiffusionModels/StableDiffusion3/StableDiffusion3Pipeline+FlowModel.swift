import TorchNN

extension StableDiffusion3Pipeline {
  public static let classNames = ["StableDiffusion3Pipeline"]
  public static let transformerClassName = SD3TransformerConfiguration.className

  /// LoRA targets are the attention projections of all blocks, as in both papers.
  public static let defaults = FlowModelDefaults(
    guidance: .classifierFree(), guidanceScale: 1, noiseLevel: 0.7,
    loraTargets: [
      "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
      "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
    ],
    maxSequenceLength: SD3PromptEncoder.defaultMaxSequenceLength,
    sequenceLengths: SD3PromptEncoder.sequenceLengths)

  public static let kohyaLayers: KohyaLayers? = .stableDiffusion3

  public static func imageSizes(of folder: String) throws(PipelineError) -> ImageSizes {
    let transformer = try SD3TransformerConfiguration.read("transformer", of: folder)
    let factor = try AutoencoderKLConfiguration.read("vae", of: folder).spatialFactor
    return ImageSizes(
      unit: transformer.patchSize * factor, usualSide: transformer.sampleSize * factor)
  }

  public static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers {
    try LinearLayers(folder: folder, SD3Transformer2DModel.init)
  }

  public static func promptComponents(
    of source: ModelSource
  ) throws(PipelineError) -> PromptComponents {
    let index = try SD3ModelIndex(folder: source.folder)
    return PromptComponents(
      folders: index.textComponents,
      settings: index.hasT5 ? ["max_sequence_length \(sequenceLength(source))"] : [])
  }

  public static func missingComponent(_ component: String, of folder: String) -> PipelineError {
    component.hasSuffix("_3")
      ? .absentT5(folder: folder)
      : .missingComponent(component, of: folder)
  }

  public static func promptEncoder(
    of source: ModelSource
  ) throws(PipelineError) -> any PromptEncoder {
    try SD3PromptEncoder(
      folder: source.folder, source.placement, maxSequenceLength: sequenceLength(source))
  }

  public init(_ source: ModelSource, training: LearningSetup) throws(PipelineError) {
    try self.init(
      folder: source.folder, source.placement, transformer: training,
      text: .absent(maxSequenceLength: Self.sequenceLength(source)), imageSize: source.imageSize)
  }

  static func sequenceLength(_ source: ModelSource) -> Int {
    source.maxSequenceLength ?? SD3PromptEncoder.defaultMaxSequenceLength
  }
}
