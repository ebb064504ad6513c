import Foundation
import Torch
import TorchNN

extension StableDiffusion3Pipeline {
  public static func metadata(
    of source: ModelSource, training: TrainableWeights
  ) throws(PipelineError) -> FlowModelMetadata {
    let store = ParameterStore(
      .meta, device: .meta, adapters: training.adapters.map { ($0, .meta) },
      trainable: training == .full ? .full : .adapters)
    let (transformer, transformerSize) = try NetworkSize.measure(
      "transformer", of: source, store, isUsed: { $0 != "pos_embed.pos_embed" },
      SD3Transformer2DModel.init)
    let (autoencoder, autoencoderSize) = try NetworkSize.autoencoder(of: source)
    let geometry = try ImageGeometry(
      source.imageSize, transformer, autoencoder, path: source.folder)
    let text = try SD3TextMetadata(source)
    let (width, zeroRows) = (transformer.jointAttentionDim, text.zeroRows)
    let latentShape = [transformer.inChannels, geometry.latentHeight, geometry.latentWidth]
    let work = transformer.work(
      imageTokens: geometry.imageTokens,
      textTokens: text.rows + (zeroRows > 0 ? 1 : 0), training)
    return FlowModelMetadata(
      geometry: geometry, latentShape: latentShape,
      sizes: NetworkSizes(
        transformer: transformerSize, autoencoder: autoencoderSize, textEncoders: text.sizes),
      trainableParameters: store.trainable.reduce(0) { $0 + $1.tensor.count },
      promptElements: text.rows * width + transformer.pooledProjectionDim,
      cachedPromptElements: text.cachedElements(width: width) + transformer.pooledProjectionDim,
      work: work,
      activations: { elementBytes in
        // In float32, equal zero rows are computed as one row with an attention bias.
        let zeros = elementBytes == 4 ? min(zeroRows, 1) : zeroRows
        let memory = SD3TransformerMemory(
          transformer, imageTokens: geometry.imageTokens, textTokens: text.rows + zeros,
          elementBytes: elementBytes)
        return ActivationMemory(
          evaluation: memory.evaluation, kept: memory.kept(training),
          keptWithCheckpointing: memory.keptRecomputing(training), backward: memory.backward)
      },
      decodingBytes: { elementBytes, device in
        autoencoder.decodingBytes(
          height: latentShape[1], width: latentShape[2], elementBytes: elementBytes,
          device: device)
      }, largestDecoded: autoencoder.largestDecoded(height: latentShape[1], width: latentShape[2]))
  }
}

/// The text encoders that a folder holds, and the number of rows per prompt.
private struct SD3TextMetadata {
  let sizes: [NetworkSize]
  /// CLIP's rows of a prompt, and all rows that are stored.
  let clipRows, rows: Int
  /// Width of CLIP's rows; nil if the encoders are not present.
  let clipWidth: Int?
  /// Rows of zeros in place of an absent T5.
  let zeroRows: Int

  init(_ source: ModelSource) throws(PipelineError) {
    func isThere(_ component: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(source.folder)/\(component)/config.json")
    }
    var sizes: [NetworkSize] = []
    var rows = CLIPTextConfiguration().maxPositionEmbeddings
    var width: Int?
    for component in clipSuffixes.map({ "text_encoder\($0)" }) where isThere(component) {
      let (configuration, size) = try NetworkSize.measure(
        component, of: source, isUsed: { !$0.hasSuffix("token_embedding.weight") },
        CLIPTextModelWithProjection.init)
      sizes.append(size)
      rows = configuration.maxPositionEmbeddings
      width = (width ?? 0) + configuration.hiddenSize
    }
    let hasIndex = FileManager.default.fileExists(
      atPath: "\(source.folder)/\(ModelIndex.fileName)")
    let hasT5 =
      hasIndex ? try SD3ModelIndex(folder: source.folder).hasT5 : isThere("text_encoder_3")
    if hasT5, isThere("text_encoder_3") {
      sizes.append(
        try NetworkSize.measure(
          "text_encoder_3", of: source, isUsed: { _ in true }, T5EncoderModel.init
        ).1)
    }
    let length = StableDiffusion3Pipeline.sequenceLength(source)
    self.sizes = sizes
    clipRows = rows
    clipWidth = width
    self.rows = rows + (hasT5 ? length : 0)
    zeroRows = hasT5 ? 0 : length
  }

  /// Elements of the rows in the prompt cache: CLIP's rows are stored without zero padding.
  func cachedElements(width: Int) -> Int {
    clipRows * (clipWidth ?? width) + (rows - clipRows) * width
  }
}
