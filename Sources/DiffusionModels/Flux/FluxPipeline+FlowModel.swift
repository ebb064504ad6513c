public import TorchNN

extension FluxPipeline {
  public static let className = "FluxPipeline"
  public static let transformerClassName = FluxTransformerConfiguration.className

  /// Those of FLUX.1-dev.
  public static let defaults = values(hasGuidance: true)

  /// The defaults of FLUX.1-dev, or of FLUX.1-schnell where the network has no guidance input.
  public static func defaults(of folder: String) throws(PipelineError) -> FlowModelDefaults {
    defaults(try FluxTransformerConfiguration.read(folder: folder))
  }

  static func defaults(_ configuration: FluxTransformerConfiguration) -> FlowModelDefaults {
    values(hasGuidance: configuration.guidanceEmbeds)
  }

  /// LoRA targets are those of the paper: by suffix, single blocks get queries, keys and values.
  private static func values(hasGuidance: Bool) -> FlowModelDefaults {
    FlowModelDefaults(
      guidance: hasGuidance ? .embedded : .none, guidanceScale: hasGuidance ? 3.5 : 1,
      noiseLevel: 0.9,
      loraTargets: [
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
        "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
      ],
      maxSequenceLength: hasGuidance ? 512 : 256, sequenceLengths: 1...(hasGuidance ? 512 : 256),
      knownSettings: hasGuidance ? knownSettings : [])
  }

  public static let kohyaLayers: KohyaLayers? = .flux

  public static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers {
    try LinearLayers(folder: folder, FluxTransformer2DModel.init)
  }

  public static func promptComponents(
    of source: ModelSource
  ) throws(PipelineError) -> PromptComponents {
    try FluxModelIndex.check(source.folder)
    return PromptComponents(
      folders: FluxModelIndex.textComponents,
      settings: ["max_sequence_length \(try sequenceLength(source))"])
  }

  public static func promptEncoder(
    of source: ModelSource
  ) throws(PipelineError) -> any PromptEncoder {
    try FluxPromptEncoder(
      folder: source.folder, source.placement, maxSequenceLength: sequenceLength(source))
  }

  static func sequenceLength(_ source: ModelSource) throws(PipelineError) -> Int {
    if let length = source.maxSequenceLength { return length }
    return try defaults(of: source.folder).maxSequenceLength
  }

  /// - Parameter source: must not be nil: the text encoders are not part of a loaded model.
  public func write(to folder: String, textFrom source: String?) throws(PipelineError) {
    guard let source else { preconditionFailure("needs a folder with text encoders to copy") }
    try writeFolder(folder) { draft throws(PipelineError) in
      try PipelineWriter.writeNetwork(
        transformer.network.configuration, transformer.store, folder: "\(draft)/transformer",
        weights: diffusersWeights)
      try PipelineWriter.writeNetwork(
        autoencoder.network.configuration, autoencoder.store, folder: "\(draft)/vae",
        weights: diffusersWeights)
      try PipelineWriter.copyComponents(
        FluxModelIndex.textComponents + ["scheduler"], from: source, to: draft)
    }
  }
}
