/// `transformer/config.json` of a FLUX.1 pipeline; defaults are diffusers'.
public struct FluxTransformerConfiguration: ModelConfiguration {
  /// Side of a patch of what the network gets; 1, because latents are packed before.
  public var patchSize: Int
  /// Channels of a token: 2 x 2 latent pixels side by side.
  public var inChannels: Int
  /// Channels of a token's velocity; `null` in the file means `inChannels`.
  public var outChannels: Int
  /// Blocks with a stream each for image and text.
  public var numLayers: Int
  /// Blocks with one stream of both, after those.
  public var numSingleLayers: Int
  public var attentionHeadDim: Int
  public var numAttentionHeads: Int
  /// Width of a prompt row.
  public var jointAttentionDim: Int
  /// Width of the pooled prompt.
  public var pooledProjectionDim: Int
  /// Whether the guidance scale is an input: true for FLUX.1-dev, false for FLUX.1-schnell.
  public var guidanceEmbeds: Bool
  /// The elements of a head that rotate with a token's index, row and column.
  public var axesDimsRope: [Int]

  /// Width of a token inside the network.
  public var width: Int { numAttentionHeads * attentionHeadDim }

  /// Channels of the latents.
  public var latentChannels: Int { inChannels / 4 }

  public init() {
    patchSize = 1
    inChannels = 64
    outChannels = 64
    numLayers = 19
    numSingleLayers = 38
    attentionHeadDim = 128
    numAttentionHeads = 24
    jointAttentionDim = 4096
    pooledProjectionDim = 768
    guidanceEmbeds = false
    axesDimsRope = [16, 56, 56]
  }

  public init(from decoder: any Decoder) throws {
    self.init()
    let file = try decoder.container(keyedBy: CodingKeys.self)
    patchSize = try file.value(.patchSize, or: patchSize)
    inChannels = try file.value(.inChannels, or: inChannels)
    outChannels = try file.value(.outChannels, or: inChannels)
    numLayers = try file.value(.numLayers, or: numLayers)
    numSingleLayers = try file.value(.numSingleLayers, or: numSingleLayers)
    attentionHeadDim = try file.value(.attentionHeadDim, or: attentionHeadDim)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    jointAttentionDim = try file.value(.jointAttentionDim, or: jointAttentionDim)
    pooledProjectionDim = try file.value(.pooledProjectionDim, or: pooledProjectionDim)
    guidanceEmbeds = try file.value(.guidanceEmbeds, or: guidanceEmbeds)
    axesDimsRope = try file.value(.axesDimsRope, or: axesDimsRope)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case patchSize = "patch_size"
    case inChannels = "in_channels"
    case outChannels = "out_channels"
    case numLayers = "num_layers"
    case numSingleLayers = "num_single_layers"
    case attentionHeadDim = "attention_head_dim"
    case numAttentionHeads = "num_attention_heads"
    case jointAttentionDim = "joint_attention_dim"
    case pooledProjectionDim = "pooled_projection_dim"
    case guidanceEmbeds = "guidance_embeds"
    case axesDimsRope = "axes_dims_rope"
  }

  public static let className = "FluxTransformer2DModel"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  public static let harmlessKeys: Set<String> = []
  public static let header = diffusersHeader(className)

  public func validate() throws(ConfigurationProblem) {
    try checkPositive([
      (CodingKeys.inChannels, inChannels), (.numLayers, numLayers),
      (.attentionHeadDim, attentionHeadDim), (.numAttentionHeads, numAttentionHeads),
      (.jointAttentionDim, jointAttentionDim), (.pooledProjectionDim, pooledProjectionDim),
    ])
    guard numSingleLayers >= 0 else {
      throw ConfigurationProblem(
        CodingKeys.numSingleLayers.rawValue, "\(numSingleLayers) is negative")
    }
    guard patchSize == 1 else {
      throw ConfigurationProblem(
        CodingKeys.patchSize.rawValue, "\(patchSize) is not supported; it must be 1")
    }
    guard inChannels.isMultiple(of: 4), outChannels == inChannels else {
      throw ConfigurationProblem(
        inChannels.isMultiple(of: 4)
          ? CodingKeys.outChannels.rawValue : CodingKeys.inChannels.rawValue,
        "a token has 2 x 2 latent pixels and the velocity the same channels; "
          + "\(inChannels) in and \(outChannels) out are not supported")
    }
    guard axesDimsRope.count == 3, axesDimsRope.allSatisfy({ $0 > 0 && $0.isMultiple(of: 2) }),
      axesDimsRope.reduce(0, +) == attentionHeadDim
    else {
      throw ConfigurationProblem(
        CodingKeys.axesDimsRope.rawValue,
        "\(axesDimsRope) must be three even numbers whose sum is attention_head_dim, "
          + "\(attentionHeadDim)")
    }
  }
}
