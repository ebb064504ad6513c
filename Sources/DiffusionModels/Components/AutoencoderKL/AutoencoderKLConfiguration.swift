/// `vae/config.json` of diffusers' `AutoencoderKL`; defaults are diffusers'.
public struct AutoencoderKLConfiguration: ModelConfiguration {
  /// Channels of the encoder's images.
  public var inChannels = 3
  /// Channels of the decoder's images.
  public var outChannels = 3
  /// Channels per level, full resolution first; each further level halves height and width.
  public var blockOutChannels = [64]
  /// Residual blocks per level of the encoder; the decoder has one more.
  public var layersPerBlock = 1
  /// Channels of the latents.
  public var latentChannels = 4
  /// Groups of the group norms.
  public var normNumGroups = 32
  /// Side of the training images, in pixels.
  public var sampleSize = 32
  /// Factor from the autoencoder's latents to the transformer's (`scaling_factor`).
  public var scalingFactor = 0.18215
  /// Offset subtracted from the latents before scaling (`shift_factor`).
  public var shiftFactor: Double?
  /// Whether a 1x1 convolution follows the encoder.
  public var useQuantConv = true
  /// Whether a 1x1 convolution precedes the decoder.
  public var usePostQuantConv = true
  /// Whether the middle blocks attend over all pixels.
  public var midBlockAddAttention = true
  /// One class name per level of the encoder; only plain blocks are supported.
  public var downBlockTypes = [plainDownBlock]
  /// One class name per level of the decoder; only plain blocks are supported.
  public var upBlockTypes = [plainUpBlock]
  /// The activation; only `silu` is supported.
  public var activation = "silu"
  /// Mean per channel; must be nil, as statistics per channel are not supported.
  public var latentsMean: [Double]?
  /// Standard deviation per channel; must be nil, as statistics per channel are not supported.
  public var latentsStd: [Double]?

  /// Image pixels per latent pixel, in each direction.
  public var spatialFactor: Int { 1 << (blockOutChannels.count - 1) }

  /// Granularity of a tile's side, in image pixels.
  public var tileUnit: Int { 4 * spatialFactor }

  /// diffusers' defaults.
  public init() {}

  /// An autoencoder of plain blocks with these channels per level; diffusers' defaults otherwise.
  public init(blockOutChannels: [Int]) {
    self.blockOutChannels = blockOutChannels
    downBlockTypes = blockOutChannels.map { _ in plainDownBlock }
    upBlockTypes = blockOutChannels.map { _ in plainUpBlock }
  }

  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    inChannels = try file.value(.inChannels, or: inChannels)
    outChannels = try file.value(.outChannels, or: outChannels)
    blockOutChannels = try file.value(.blockOutChannels, or: blockOutChannels)
    layersPerBlock = try file.value(.layersPerBlock, or: layersPerBlock)
    latentChannels = try file.value(.latentChannels, or: latentChannels)
    normNumGroups = try file.value(.normNumGroups, or: normNumGroups)
    sampleSize = try file.value(.sampleSize, or: sampleSize)
    scalingFactor = try file.value(.scalingFactor, or: scalingFactor)
    shiftFactor = try file.decodeIfPresent(Double.self, forKey: .shiftFactor)
    useQuantConv = try file.value(.useQuantConv, or: useQuantConv)
    usePostQuantConv = try file.value(.usePostQuantConv, or: usePostQuantConv)
    midBlockAddAttention = try file.value(.midBlockAddAttention, or: midBlockAddAttention)
    downBlockTypes = try file.value(.downBlockTypes, or: downBlockTypes)
    upBlockTypes = try file.value(.upBlockTypes, or: upBlockTypes)
    activation = try file.value(.activation, or: activation)
    latentsMean = try file.decodeIfPresent([Double].self, forKey: .latentsMean)
    latentsStd = try file.decodeIfPresent([Double].self, forKey: .latentsStd)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case inChannels = "in_channels"
    case outChannels = "out_channels"
    case blockOutChannels = "block_out_channels"
    case layersPerBlock = "layers_per_block"
    case latentChannels = "latent_channels"
    case normNumGroups = "norm_num_groups"
    case sampleSize = "sample_size"
    case scalingFactor = "scaling_factor"
    case shiftFactor = "shift_factor"
    case useQuantConv = "use_quant_conv"
    case usePostQuantConv = "use_post_quant_conv"
    case midBlockAddAttention = "mid_block_add_attention"
    case downBlockTypes = "down_block_types"
    case upBlockTypes = "up_block_types"
    case activation = "act_fn"
    case latentsMean = "latents_mean"
    case latentsStd = "latents_std"
  }

  public static let className = "AutoencoderKL"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  /// `force_upcast` selects a precision; here the caller selects it.
  public static let harmlessKeys: Set<String> = ["force_upcast"]
  public static let header = diffusersHeader(className)

  public func validate() throws(ConfigurationProblem) {
    let counts = [
      (CodingKeys.inChannels, inChannels), (.outChannels, outChannels),
      (.layersPerBlock, layersPerBlock), (.latentChannels, latentChannels),
      (.normNumGroups, normNumGroups), (.sampleSize, sampleSize),
    ]
    try checkPositive(counts)
    guard !blockOutChannels.isEmpty else {
      throw ConfigurationProblem(CodingKeys.blockOutChannels.rawValue, "has no level")
    }
    for channels in blockOutChannels where channels < 1 || channels % normNumGroups != 0 {
      throw ConfigurationProblem(
        CodingKeys.blockOutChannels.rawValue,
        "\(channels) is not a multiple of norm_num_groups, \(normNumGroups)")
    }
    try validateBlocks(downBlockTypes, plainDownBlock, .downBlockTypes)
    try validateBlocks(upBlockTypes, plainUpBlock, .upBlockTypes)
    guard activation == "silu" else {
      throw ConfigurationProblem(
        CodingKeys.activation.rawValue, "'\(activation)' is not supported; 'silu' is")
    }
    guard latentsMean == nil, latentsStd == nil else {
      throw ConfigurationProblem(
        CodingKeys.latentsMean.rawValue, "statistics per channel are not supported")
    }
  }

  private func validateBlocks(
    _ types: [String], _ known: String, _ key: CodingKeys
  ) throws(ConfigurationProblem) {
    guard types.count == blockOutChannels.count else {
      throw ConfigurationProblem(
        key.rawValue,
        "names \(types.count) levels; block_out_channels has \(blockOutChannels.count)")
    }
    for type in types where type != known {
      throw ConfigurationProblem(key.rawValue, "'\(type)' is not supported; '\(known)' is")
    }
  }
}

private let plainDownBlock = "DownEncoderBlock2D"
private let plainUpBlock = "UpDecoderBlock2D"
