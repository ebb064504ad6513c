/// `transformer/config.json` of a Qwen-Image pipeline; defaults are diffusers'.
public struct QwenImageTransformerConfiguration: ModelConfiguration {
  /// Side of a patch of latent pixels; a token.
  public var patchSize: Int
  /// Channels of a token: 2 x 2 latent pixels side by side.
  public var inChannels: Int
  /// Channels of a latent pixel's velocity.
  public var outChannels: Int
  public var numLayers: Int
  public var attentionHeadDim: Int
  public var numAttentionHeads: Int
  /// Width of a prompt row.
  public var jointAttentionDim: Int
  /// The elements of a head that rotate with a token's frame, row and column.
  public var axesDimsRope: [Int]
  /// Whether a guidance scale is an input; only false is supported.
  public var guidanceEmbeds: Bool
  /// Inputs of editing and layered models; only false is supported.
  public var zeroCondT: Bool
  public var useAdditionalTCond: Bool
  public var useLayer3DRope: Bool

  /// Width of a token inside the network.
  public var width: Int { numAttentionHeads * attentionHeadDim }

  /// Channels of the latents.
  public var latentChannels: Int { outChannels }

  public init() {
    patchSize = 2
    inChannels = 64
    outChannels = 16
    numLayers = 60
    attentionHeadDim = 128
    numAttentionHeads = 24
    jointAttentionDim = 3584
    axesDimsRope = [16, 56, 56]
    guidanceEmbeds = false
    zeroCondT = false
    useAdditionalTCond = false
    useLayer3DRope = false
  }

  public init(from decoder: any Decoder) throws {
    self.init()
    let file = try decoder.container(keyedBy: CodingKeys.self)
    patchSize = try file.value(.patchSize, or: patchSize)
    inChannels = try file.value(.inChannels, or: inChannels)
    outChannels = try file.value(.outChannels, or: outChannels)
    numLayers = try file.value(.numLayers, or: numLayers)
    attentionHeadDim = try file.value(.attentionHeadDim, or: attentionHeadDim)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    jointAttentionDim = try file.value(.jointAttentionDim, or: jointAttentionDim)
    axesDimsRope = try file.value(.axesDimsRope, or: axesDimsRope)
    guidanceEmbeds = try file.value(.guidanceEmbeds, or: guidanceEmbeds)
    zeroCondT = try file.value(.zeroCondT, or: zeroCondT)
    useAdditionalTCond = try file.value(.useAdditionalTCond, or: useAdditionalTCond)
    useLayer3DRope = try file.value(.useLayer3DRope, or: useLayer3DRope)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case patchSize = "patch_size"
    case inChannels = "in_channels"
    case outChannels = "out_channels"
    case numLayers = "num_layers"
    case attentionHeadDim = "attention_head_dim"
    case numAttentionHeads = "num_attention_heads"
    case jointAttentionDim = "joint_attention_dim"
    case axesDimsRope = "axes_dims_rope"
    case guidanceEmbeds = "guidance_embeds"
    case zeroCondT = "zero_cond_t"
    case useAdditionalTCond = "use_additional_t_cond"
    case useLayer3DRope = "use_layer3d_rope"
  }

  public static let className = "QwenImageTransformer2DModel"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// Published folders have it; the network has no pooled prompt.
  public static let harmlessKeys: Set<String> = ["pooled_projection_dim"]
  public static let header = diffusersHeader(className)

  public func validate() throws(ConfigurationProblem) {
    try checkPositive([
      (CodingKeys.outChannels, outChannels), (.numLayers, numLayers),
      (.attentionHeadDim, attentionHeadDim), (.numAttentionHeads, numAttentionHeads),
      (.jointAttentionDim, jointAttentionDim),
    ])
    guard patchSize == 2 else {
      throw ConfigurationProblem(
        CodingKeys.patchSize.rawValue, "\(patchSize) is not supported; it must be 2")
    }
    guard inChannels == 4 * outChannels else {
      throw ConfigurationProblem(
        CodingKeys.inChannels.rawValue,
        "a token has 2 x 2 latent pixels; \(inChannels) in and \(outChannels) out are not "
          + "supported")
    }
    guard axesDimsRope.count == 3, axesDimsRope.allSatisfy({ $0 > 0 && $0.isMultiple(of: 2) }),
      axesDimsRope.reduce(0, +) == attentionHeadDim
    else {
      throw ConfigurationProblem(
        CodingKeys.axesDimsRope.rawValue,
        "\(axesDimsRope) must be three even numbers whose sum is attention_head_dim, "
          + "\(attentionHeadDim)")
    }
    let unsupported: [(CodingKeys, Bool)] = [
      (.guidanceEmbeds, guidanceEmbeds), (.zeroCondT, zeroCondT),
      (.useAdditionalTCond, useAdditionalTCond), (.useLayer3DRope, useLayer3DRope),
    ]
    for (key, isOn) in unsupported where isOn {
      throw ConfigurationProblem(
        key.rawValue, "true is not supported: Qwen-Image and Qwen-Image-2512 have false")
    }
  }
}
