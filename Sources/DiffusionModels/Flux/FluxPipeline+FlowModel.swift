import TextTokenizers
import TorchNN

extension FluxPipeline {
  public static let classNames = FluxModelIndex.classNames
  public static let transformerClassName = FluxTransformerConfiguration.className

  /// Those of FLUX.1-dev.
  public static let defaults: FlowModelDefaults = defaults(hasGuidance: true, takesSource: false)

  /// The defaults of FLUX.1-dev, or of FLUX.1-schnell where the network has no guidance input.
  /// FLUX.1-Kontext has a source image as well. A prompt has at most as many tokens as T5's
  /// tokenizer has by itself.
  public static func defaults(of folder: String) throws(PipelineError) -> FlowModelDefaults {
    let className = try FlowModelRegistry.className(of: folder)
    var defaults = try defaults(
      hasGuidance: FluxTransformerConfiguration.read("transformer", of: folder).guidanceEmbeds,
      takesSource: FluxModelIndex.takesSource(className))
    let length = try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try T5Tokenizer.modelMaxLength(folder: "\(folder)/tokenizer_2")
    }
    // The tokenizers of dev and schnell both say 512.
    if let length, (1..<512).contains(length) { defaults.maxSequenceLength = length }
    return defaults
  }

  /// LoRA targets are those of the paper: by suffix, single blocks get queries, keys and values.
  static func defaults(hasGuidance: Bool, takesSource: Bool) -> FlowModelDefaults {
    FlowModelDefaults(
      guidance: hasGuidance ? .embedded : .none, guidanceScale: hasGuidance ? 3.5 : 1,
      noiseLevel: 0.9,
      loraTargets: [
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
        "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
      ],
      maxSequenceLength: hasGuidance ? 512 : 256, sequenceLengths: 1...512,
      conditionImages: takesSource ? 0...1 : 0...0,
      knownSettings: hasGuidance && !takesSource ? knownSettings : [])
  }

  public static let kohyaLayers: KohyaLayers? = .flux

  public static func imageSizes(of folder: String) throws(PipelineError) -> ImageSizes {
    let factor = try AutoencoderKLConfiguration.read("vae", of: folder).spatialFactor
    return ImageSizes(unit: 2 * factor, usualSide: ImageGeometry.fluxSide * factor)
  }

  public static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers {
    try LinearLayers(folder: folder, FluxTransformer2DModel.init)
  }

  public static func promptComponents(
    of source: ModelSource
  ) throws(PipelineError) -> PromptComponents {
    let takesSource = FluxModelIndex.takesSource(try FluxModelIndex.check(source.folder))
    let length = "max_sequence_length \(try sequenceLength(source))"
    guard takesSource else {
      return PromptComponents(folders: FluxModelIndex.textComponents, settings: [length])
    }
    let image = try ImageGeometry(source).image
    let dtype = source.placement.ofAutoencoder.dtype.map { "\($0)" } ?? "as in the files"
    return PromptComponents(
      folders: FluxModelIndex.textComponents + ["vae"],
      settings: [length, "source \(image.width) x \(image.height), autoencoder \(dtype)"])
  }

  public static func promptEncoder(
    of source: ModelSource
  ) throws(PipelineError) -> any PromptEncoder {
    try FluxPromptEncoder(source)
  }

  static func sequenceLength(_ source: ModelSource) throws(PipelineError) -> Int {
    if let length = source.maxSequenceLength { return length }
    return try defaults(of: source.folder).maxSequenceLength
  }

  public func write(to folder: String, textFrom source: String?) throws(PipelineError) {
    try writeFolder(folder) { draft throws(PipelineError) in
      try PipelineWriter.writeNetwork(
        transformer.network.configuration, transformer.store, folder: "\(draft)/transformer",
        weights: diffusersWeights)
      if let source {
        return try PipelineWriter.copyComponents(
          FluxModelIndex.textComponents + ["vae", "scheduler"], from: source, to: draft)
      }
      try PipelineWriter.writeNetwork(
        autoencoder.network.configuration, autoencoder.store, folder: "\(draft)/vae",
        weights: diffusersWeights)
      guard let text else { preconditionFailure("needs text encoders, or a folder to copy them") }
      try text.write(to: draft)
      try PipelineWriter.writeScheduler(scheduler, to: draft)
      try writeFile("\(draft)/\(ModelIndex.fileName)") {
        try FluxModelIndex.json(className: className)
      }
    }
  }
}
