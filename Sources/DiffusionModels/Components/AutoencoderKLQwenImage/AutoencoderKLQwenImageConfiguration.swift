/// `vae/config.json` of diffusers' `AutoencoderKLQwenImage`; defaults are diffusers'.
public struct AutoencoderKLQwenImageConfiguration: ModelConfiguration {
  /// Channels after the first convolution, of which each level has a multiple.
  public var baseDim = 96
  /// Channels of the latents.
  public var zDim = 16
  /// The multiple of each level, full resolution first; each further level halves height and width.
  public var dimMult = [1, 2, 4, 4]
  /// Residual blocks per level of the encoder; the decoder has one more.
  public var numResBlocks = 2
  /// Scales with attention; must be empty, because diffusers' encoder fails with any.
  public var attnScales: [Double] = []
  /// Whether the step from each level to the next also halves the frames (`temperal_downsample`).
  public var temporalDownsample = [false, true, true]
  /// The share of values that training would drop; must be 0.
  public var dropout = 0.0
  /// Channels of the images.
  public var inputChannels = 3
  /// Mean of each channel of the latents.
  public var latentsMean = [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517,
    -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
  ]
  /// Standard deviation of each channel of the latents.
  public var latentsStd = [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652,
    1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
  ]

  /// Channels of the latents.
  public var latentChannels: Int { zDim }

  /// Image pixels per latent pixel, in each direction.
  public var spatialFactor: Int { 1 << (dimMult.count - 1) }

  /// Frames of a video per latent frame, after the first.
  public var temporalFactor: Int { 1 << temporalDownsample.count { $0 } }

  /// Granularity of a tile's side, in image pixels.
  public var tileUnit: Int { 4 * spatialFactor }

  /// Channels of each level, full resolution first.
  var levelChannels: [Int] { dimMult.map { baseDim * $0 } }

  /// The dimensions that change between the level and the next lower resolution.
  func resampling(afterLevel level: Int) -> ResampledDimensions {
    temporalDownsample[level] ? .spaceAndTime : .space
  }

  /// diffusers' defaults, which are Qwen-Image's.
  public init() {}

  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    baseDim = try file.value(.baseDim, or: baseDim)
    zDim = try file.value(.zDim, or: zDim)
    dimMult = try file.value(.dimMult, or: dimMult)
    numResBlocks = try file.value(.numResBlocks, or: numResBlocks)
    attnScales = try file.value(.attnScales, or: attnScales)
    temporalDownsample = try file.value(.temporalDownsample, or: temporalDownsample)
    dropout = try file.value(.dropout, or: dropout)
    inputChannels = try file.value(.inputChannels, or: inputChannels)
    latentsMean = try file.value(.latentsMean, or: latentsMean)
    latentsStd = try file.value(.latentsStd, or: latentsStd)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case baseDim = "base_dim"
    case zDim = "z_dim"
    case dimMult = "dim_mult"
    case numResBlocks = "num_res_blocks"
    case attnScales = "attn_scales"
    case temporalDownsample = "temperal_downsample"
    case dropout
    case inputChannels = "input_channels"
    case latentsMean = "latents_mean"
    case latentsStd = "latents_std"
  }

  public static let className = "AutoencoderKLQwenImage"
  public static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  public static let harmlessKeys: Set<String> = []
  public static let header = diffusersHeader(className)

  public func validate() throws(ConfigurationProblem) {
    try checkPositive([
      (CodingKeys.baseDim, baseDim), (.zDim, zDim), (.numResBlocks, numResBlocks),
      (.inputChannels, inputChannels),
    ])
    try validateLevels()
    guard attnScales.isEmpty else {
      throw ConfigurationProblem(
        CodingKeys.attnScales.rawValue, "attention between the blocks is not supported")
    }
    guard dropout == 0 else {
      throw ConfigurationProblem(CodingKeys.dropout.rawValue, "\(dropout) is not supported; 0 is")
    }
    for (key, values) in [(CodingKeys.latentsMean, latentsMean), (.latentsStd, latentsStd)]
    where values.count != zDim {
      throw ConfigurationProblem(
        key.rawValue, "has \(values.count) values; z_dim is \(zDim)")
    }
    for value in latentsStd where value <= 0 {
      throw ConfigurationProblem(
        CodingKeys.latentsStd.rawValue, "\(value) is not a positive number")
    }
  }

  private func validateLevels() throws(ConfigurationProblem) {
    guard !dimMult.isEmpty else {
      throw ConfigurationProblem(CodingKeys.dimMult.rawValue, "has no level")
    }
    for multiple in dimMult where multiple < 1 {
      throw ConfigurationProblem(
        CodingKeys.dimMult.rawValue, "\(multiple) is not a positive number")
    }
    for channels in levelChannels.dropFirst() where !channels.isMultiple(of: 2) {
      throw ConfigurationProblem(
        CodingKeys.dimMult.rawValue,
        "a level has \(channels) channels, an odd number; the decoder halves them")
    }
    let steps = dimMult.count - 1
    guard temporalDownsample.count == steps else {
      throw ConfigurationProblem(
        CodingKeys.temporalDownsample.rawValue,
        "has \(temporalDownsample.count) values; dim_mult has \(steps + 1) levels, so \(steps) "
          + "steps")
    }
    // Four frames are encoded at a time.
    guard temporalFactor <= 4 else {
      throw ConfigurationProblem(
        CodingKeys.temporalDownsample.rawValue,
        "divides the frames by \(temporalFactor); 1, 2 and 4 are supported")
    }
  }
}
