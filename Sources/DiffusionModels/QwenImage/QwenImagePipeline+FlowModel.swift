import TorchNN

extension QwenImagePipeline {
  public static let classNames = [QwenImageModelIndex.className]
  public static let transformerClassName = QwenImageTransformerConfiguration.className

  /// LoRA targets are those of the paper. True classifier-free guidance of diffusers' default, with
  /// the norm of each token kept; a negative prompt of one space, as in the model's examples.
  public static let defaults = FlowModelDefaults(
    guidance: .classifierFree(rescalingPatch: 2), guidanceScale: 4, negativePrompt: " ",
    noiseLevel: 1.2,
    loraTargets: [
      "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
      "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
      "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2",
    ],
    maxSequenceLength: 512, sequenceLengths: 1...Qwen25Prompts.greatestLength)

  public static let kohyaLayers: KohyaLayers? = .qwenImage

  public static func imageSizes(of folder: String) throws(PipelineError) -> ImageSizes {
    let factor = try AutoencoderKLQwenImageConfiguration.read("vae", of: folder).spatialFactor
    return ImageSizes(unit: 2 * factor, usualSide: ImageGeometry.qwenImageSide * factor)
  }

  public static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers {
    try LinearLayers(folder: folder, QwenImageTransformer2DModel.init)
  }

  public static func promptComponents(
    of source: ModelSource
  ) throws(PipelineError) -> PromptComponents {
    try QwenImageModelIndex.check(source.folder)
    return PromptComponents(
      folders: QwenImageModelIndex.textComponents,
      settings: ["max_sequence_length \(sequenceLength(source))"])
  }

  public static func promptEncoder(
    of source: ModelSource
  ) throws(PipelineError) -> any PromptEncoder {
    try QwenImagePromptEncoder(source)
  }

  static func sequenceLength(_ source: ModelSource) -> Int {
    source.maxSequenceLength ?? defaults.maxSequenceLength
  }

  public func write(to folder: String, textFrom source: String?) throws(PipelineError) {
    guard let source else { preconditionFailure("needs a folder to copy the text encoder from") }
    try writeFolder(folder) { draft throws(PipelineError) in
      try PipelineWriter.writeNetwork(
        transformer.network.configuration, transformer.store, folder: "\(draft)/transformer",
        weights: diffusersWeights)
      try PipelineWriter.copyComponents(
        QwenImageModelIndex.textComponents + ["vae", "scheduler"], from: source, to: draft)
    }
  }
}
