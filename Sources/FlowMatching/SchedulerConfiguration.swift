import Foundation

/// The numbers of a model's `scheduler/scheduler_config.json` that determine its sigmas.
///
/// Keys and defaults are those of diffusers' `FlowMatchEulerDiscreteScheduler`.
public struct SchedulerConfiguration: Hashable, Sendable {
  /// The formula of a dynamic shift.
  public enum TimeShift: String, Hashable, Sendable, Codable {
    /// `e^mu / (e^mu + (1/x - 1))`
    case exponential
    /// `mu / (mu + (1/x - 1))`
    case linear
  }

  /// The static shift `f(x) = shift x / (1 + (shift - 1) x)`; 1 does not change the grid.
  public var shift = 1.0
  /// Whether the shift depends on the image size (then ``shift`` is not used).
  public var usesDynamicShifting = false
  /// mu at ``baseImageTokens``.
  public var baseShift = 0.5
  /// mu at ``maxImageTokens``.
  public var maxShift = 1.15
  /// Image tokens at which mu is ``baseShift``.
  public var baseImageTokens = 256
  /// Image tokens at which mu is ``maxShift``.
  public var maxImageTokens = 4096
  /// The value that the last non-zero sigma is stretched to, in 0..<1; nil and 0 do not stretch, as
  /// in diffusers.
  public var terminalSigma: Double?
  /// Number of timesteps of the network's training; its inverse is the smallest trained sigma.
  public var trainingTimesteps = 1000
  /// The formula of the dynamic shift.
  public var timeShift = TimeShift.exponential

  /// diffusers' defaults: no shift.
  public init() {}

  /// Reads a `scheduler_config.json`.
  ///
  /// - Throws: ``SchedulerConfigurationError`` if the file is missing, has another format, or
  ///   selects an unsupported sigma grid.
  public init(path: String) throws(SchedulerConfigurationError) {
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      self = try JSONDecoder().decode(SchedulerConfiguration.self, from: data)
    } catch let error as SchedulerConfigurationError {
      throw error.located(at: path)
    } catch let error as DecodingError {
      throw .malformed(path: path, reason: "\(error)")
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
  }

  /// mu for an image of `imageTokens` tokens: linear through the two configured points.
  public func mu(imageTokens: Int) -> Double {
    let start = Double(baseImageTokens)
    let slope = (maxShift - baseShift) / (Double(maxImageTokens) - start)
    return baseShift + slope * (Double(imageTokens) - start)
  }
}

extension SchedulerConfiguration: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case shift
    case usesDynamicShifting = "use_dynamic_shifting"
    case baseShift = "base_shift"
    case maxShift = "max_shift"
    case baseImageTokens = "base_image_seq_len"
    case maxImageTokens = "max_image_seq_len"
    case terminalSigma = "shift_terminal"
    case trainingTimesteps = "num_train_timesteps"
    case timeShift = "time_shift_type"
  }

  /// Switches of the class that select an unsupported grid; all are off by default.
  private enum UnsupportedKeys: String, CodingKey, CaseIterable {
    case invertSigmas = "invert_sigmas"
    case karras = "use_karras_sigmas"
    case exponential = "use_exponential_sigmas"
    case beta = "use_beta_sigmas"
    case stochastic = "stochastic_sampling"
  }

  /// The class name is written beside the numbers so that diffusers can load the file.
  private enum HeaderKeys: String, CodingKey {
    case className = "_class_name"
  }

  private static let className = "FlowMatchEulerDiscreteScheduler"

  public init(from decoder: any Decoder) throws {
    let header = try decoder.container(keyedBy: HeaderKeys.self)
    if let name = try header.decodeIfPresent(String.self, forKey: .className),
      name != Self.className
    {
      throw SchedulerConfigurationError.unsupported(
        path: "", key: HeaderKeys.className.rawValue, value: name)
    }
    let switches = try decoder.container(keyedBy: UnsupportedKeys.self)
    for key in UnsupportedKeys.allCases
    where try switches.decodeIfPresent(Bool.self, forKey: key) == true {
      throw SchedulerConfigurationError.unsupported(path: "", key: key.rawValue, value: "true")
    }
    let values = try decoder.container(keyedBy: CodingKeys.self)
    func read<Value: Decodable>(_ key: CodingKeys, _ fallback: Value) throws -> Value {
      try values.decodeIfPresent(Value.self, forKey: key) ?? fallback
    }
    shift = try read(.shift, shift)
    usesDynamicShifting = try read(.usesDynamicShifting, usesDynamicShifting)
    baseShift = try read(.baseShift, baseShift)
    maxShift = try read(.maxShift, maxShift)
    baseImageTokens = try read(.baseImageTokens, baseImageTokens)
    maxImageTokens = try read(.maxImageTokens, maxImageTokens)
    terminalSigma = try values.decodeIfPresent(Double.self, forKey: .terminalSigma)
    trainingTimesteps = try read(.trainingTimesteps, trainingTimesteps)
    timeShift = try read(.timeShift, timeShift)
    try validate()
  }

  public func encode(to encoder: any Encoder) throws {
    var header = encoder.container(keyedBy: HeaderKeys.self)
    try header.encode(Self.className, forKey: .className)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(shift, forKey: .shift)
    try values.encode(usesDynamicShifting, forKey: .usesDynamicShifting)
    try values.encode(baseShift, forKey: .baseShift)
    try values.encode(maxShift, forKey: .maxShift)
    try values.encode(baseImageTokens, forKey: .baseImageTokens)
    try values.encode(maxImageTokens, forKey: .maxImageTokens)
    try values.encodeIfPresent(terminalSigma, forKey: .terminalSigma)
    try values.encode(trainingTimesteps, forKey: .trainingTimesteps)
    try values.encode(timeShift, forKey: .timeShift)
  }

  private func validate() throws(SchedulerConfigurationError) {
    func require(
      _ holds: Bool, _ key: CodingKeys, _ value: Any
    ) throws(SchedulerConfigurationError) {
      guard holds else {
        throw .outOfRange(path: "", key: key.rawValue, value: "\(value)")
      }
    }
    // Beyond these limits neighboring sigmas are equal, or there is only one.
    try require(shift >= 1e-6 && shift <= 1e6, .shift, shift)
    let shifts = timeShift == .exponential ? log(1e-6)...log(1e6) : 1e-6...1e6
    try require(shifts.contains(baseShift), .baseShift, baseShift)
    try require(shifts.contains(maxShift), .maxShift, maxShift)
    try require(trainingTimesteps > 1, .trainingTimesteps, trainingTimesteps)
    try require(maxImageTokens > baseImageTokens, .maxImageTokens, maxImageTokens)
    if let terminalSigma {
      try require(terminalSigma >= 0 && terminalSigma < 1, .terminalSigma, terminalSigma)
    }
  }
}
