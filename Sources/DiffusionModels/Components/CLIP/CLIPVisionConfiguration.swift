/// `config.json` of transformers' `CLIPVisionModelWithProjection`; defaults are transformers'.
public struct CLIPVisionConfiguration: ModelConfiguration, CLIPTowerConfiguration {
  /// Width of a patch.
  public var hiddenSize = 768
  /// Width of a layer's feed-forward.
  public var intermediateSize = 3072
  /// Width of the pooled and projected image.
  public var projectionDim = 512
  public var numHiddenLayers = 12
  public var numAttentionHeads = 12
  public var numChannels = 3
  /// Side of an image, in pixels.
  public var imageSize = 224
  /// Side of a patch, in pixels.
  public var patchSize = 32
  public var hiddenAct = CLIPTextConfiguration.Activation.quickGELU
  public var layerNormEps = 1e-5

  /// transformers' defaults.
  public init() {}

  public init(from decoder: any Decoder) throws { try read(decoder) }

  /// Reads the keys that are present.
  mutating func read(_ decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    hiddenSize = try file.value(.hiddenSize, or: hiddenSize)
    intermediateSize = try file.value(.intermediateSize, or: intermediateSize)
    projectionDim = try file.value(.projectionDim, or: projectionDim)
    numHiddenLayers = try file.value(.numHiddenLayers, or: numHiddenLayers)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    numChannels = try file.value(.numChannels, or: numChannels)
    imageSize = try file.value(.imageSize, or: imageSize)
    patchSize = try file.value(.patchSize, or: patchSize)
    hiddenAct = try file.value(.hiddenAct, or: hiddenAct)
    layerNormEps = try file.value(.layerNormEps, or: layerNormEps)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case hiddenSize = "hidden_size"
    case intermediateSize = "intermediate_size"
    case projectionDim = "projection_dim"
    case numHiddenLayers = "num_hidden_layers"
    case numAttentionHeads = "num_attention_heads"
    case numChannels = "num_channels"
    case imageSize = "image_size"
    case patchSize = "patch_size"
    case hiddenAct = "hidden_act"
    case layerNormEps = "layer_norm_eps"
  }

  public static let className = "CLIPVisionModelWithProjection"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// Keys for training from scratch, generation or bookkeeping; without effect here.
  public static let harmlessKeys = CLIPTextConfiguration.harmlessKeys
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("clip_vision_model"),
  ]

  public func validate() throws(ConfigurationProblem) {
    try checkPositive([
      (CodingKeys.projectionDim, projectionDim), (.numHiddenLayers, numHiddenLayers),
      (.imageSize, imageSize), (.patchSize, patchSize),
    ])
    try checkTower()
    guard numChannels == 3 else {
      throw ConfigurationProblem(
        CodingKeys.numChannels.rawValue, "\(numChannels); images have 3 channels")
    }
    guard imageSize >= patchSize else {
      throw ConfigurationProblem(
        CodingKeys.patchSize.rawValue, "\(patchSize) is larger than image_size, \(imageSize)")
    }
  }
}
