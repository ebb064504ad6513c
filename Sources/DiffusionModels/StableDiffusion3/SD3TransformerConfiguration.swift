/// `transformer/config.json` of a Stable Diffusion 3 pipeline; defaults are diffusers'.
public struct SD3TransformerConfiguration: ModelConfiguration {
  /// Height and width of the latents that the position table is scaled for.
  public var sampleSize: Int
  /// Side of a patch, in latent pixels.
  public var patchSize: Int
  public var inChannels: Int
  /// Channels of the velocity; `null` in the file means `inChannels`.
  public var outChannels: Int
  public var numLayers: Int
  public var attentionHeadDim: Int
  public var numAttentionHeads: Int
  /// Width of a prompt row.
  public var jointAttentionDim: Int
  /// Width of a prompt row inside the network; equal to `width`.
  public var captionProjectionDim: Int
  /// Width of the pooled prompt.
  public var pooledProjectionDim: Int
  /// Side of the position table, in patches; limits the size of latents.
  public var posEmbedMaxSize: Int
  /// Blocks with a second attention over the image alone (Stable Diffusion 3.5).
  public var dualAttentionLayers: [Int]
  /// Normalization of queries and keys.
  public var qkNorm: QueryKeyNorm?

  /// The supported normalizations of queries and keys.
  public enum QueryKeyNorm: String, Codable, Sendable {
    /// Division by the root mean square of a head, with a learned scale.
    case rmsNorm = "rms_norm"
  }

  /// Width of a token: number of heads times the width of a head.
  public var width: Int { numAttentionHeads * attentionHeadDim }

  public init() {
    sampleSize = 128
    patchSize = 2
    inChannels = 16
    outChannels = 16
    numLayers = 18
    attentionHeadDim = 64
    numAttentionHeads = 18
    jointAttentionDim = 4096
    captionProjectionDim = 1152
    pooledProjectionDim = 2048
    posEmbedMaxSize = 96
    dualAttentionLayers = []
    qkNorm = nil
  }

  public init(from decoder: any Decoder) throws {
    self.init()
    let file = try decoder.container(keyedBy: CodingKeys.self)
    sampleSize = try file.value(.sampleSize, or: sampleSize)
    patchSize = try file.value(.patchSize, or: patchSize)
    inChannels = try file.value(.inChannels, or: inChannels)
    if file.contains(.outChannels) {
      outChannels = try file.value(.outChannels, or: inChannels)
    }
    numLayers = try file.value(.numLayers, or: numLayers)
    attentionHeadDim = try file.value(.attentionHeadDim, or: attentionHeadDim)
    numAttentionHeads = try file.value(.numAttentionHeads, or: numAttentionHeads)
    jointAttentionDim = try file.value(.jointAttentionDim, or: jointAttentionDim)
    captionProjectionDim = try file.value(.captionProjectionDim, or: captionProjectionDim)
    pooledProjectionDim = try file.value(.pooledProjectionDim, or: pooledProjectionDim)
    posEmbedMaxSize = try file.value(.posEmbedMaxSize, or: posEmbedMaxSize)
    dualAttentionLayers = try file.value(.dualAttentionLayers, or: dualAttentionLayers)
    qkNorm = try file.decodeIfPresent(QueryKeyNorm.self, forKey: .qkNorm)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case sampleSize = "sample_size"
    case patchSize = "patch_size"
    case inChannels = "in_channels"
    case outChannels = "out_channels"
    case numLayers = "num_layers"
    case attentionHeadDim = "attention_head_dim"
    case numAttentionHeads = "num_attention_heads"
    case jointAttentionDim = "joint_attention_dim"
    case captionProjectionDim = "caption_projection_dim"
    case pooledProjectionDim = "pooled_projection_dim"
    case posEmbedMaxSize = "pos_embed_max_size"
    case dualAttentionLayers = "dual_attention_layers"
    case qkNorm = "qk_norm"
  }

  public static let className = "SD3Transformer2DModel"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  public static let harmlessKeys: Set<String> = []
  public static let header = diffusersHeader(className)

  public func validate() throws(ConfigurationProblem) {
    let counts = [
      (CodingKeys.sampleSize, sampleSize), (.patchSize, patchSize), (.inChannels, inChannels),
      (.outChannels, outChannels), (.numLayers, numLayers),
      (.attentionHeadDim, attentionHeadDim), (.numAttentionHeads, numAttentionHeads),
      (.jointAttentionDim, jointAttentionDim), (.pooledProjectionDim, pooledProjectionDim),
      (.posEmbedMaxSize, posEmbedMaxSize),
    ]
    try checkPositive(counts)
    guard width % 4 == 0 else {
      throw ConfigurationProblem(
        CodingKeys.attentionHeadDim.rawValue,
        "heads times head width is \(width); it must be a multiple of 4")
    }
    guard captionProjectionDim == width else {
      throw ConfigurationProblem(
        CodingKeys.captionProjectionDim.rawValue,
        "\(captionProjectionDim) must equal heads times head width, \(width)")
    }
    for layer in dualAttentionLayers where !(0..<numLayers).contains(layer) {
      throw ConfigurationProblem(
        CodingKeys.dualAttentionLayers.rawValue, "there is no layer \(layer)")
    }
  }
}

/// The entries by which diffusers recognizes the class of a component.
func diffusersHeader(_ className: String) -> [String: ConfigurationHeaderValue] {
  ["_class_name": .text(className), "_diffusers_version": .text(diffusersVersion)]
}

/// The version of diffusers whose file format is written and against which parity is tested.
public let diffusersVersion = "0.42.1"
