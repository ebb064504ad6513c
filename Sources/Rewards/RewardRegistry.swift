/// The scorers by the names that recipes and commands use.
package enum RewardRegistry {
  /// Every name that can be scored, sorted.
  package static let names = RewardFamily.all.map(\.name)

  /// Whether a reward judges images against what a prompt of the shapes task must show.
  package static func judgesScenes(_ name: String) -> Bool { name == "shapes" }

  /// Whether a reward reads GenEval's metadata of every prompt.
  package static func readsGenEval(_ name: String) -> Bool { name == "geneval" }

  /// What the settings of a reward may be.
  ///
  /// Throws ``RewardError/unknown(name:known:)`` for a name that no reward has.
  package static func family(_ name: String) throws(RewardError) -> RewardFamily {
    guard let family = RewardFamily.all.first(where: { $0.name == name }) else {
      throw .unknown(name: name, known: names)
    }
    return family
  }

  /// Makes sure that the settings describe a scorer, without loading weights, starting a process
  /// or calling a service.
  ///
  /// Throws ``RewardError`` for an unknown name, mode or engine, a program that is not installed,
  /// or a setting that is missing or makes no sense.
  package static func check(_ settings: RewardSettings) throws(RewardError) {
    let family = try family(settings.name)
    if let mode = settings.mode, !family.modes.contains(mode) {
      throw .unknownMode(reward: settings.name, mode: mode, known: family.modes)
    }
    if let backend = settings.backend, !family.backends.contains(backend) {
      throw .setting(
        reward: settings.label, key: .backend,
        reason: "\"\(backend)\" is not one of \(family.backends.joined(separator: ", "))")
    }
    try settings.checkValues(family)
    if settings.name == "ocr", !settings.isRemote { _ = try TesseractReader.program(settings) }
  }

  /// The scorer that the settings describe.
  ///
  /// Throws what ``check(_:)`` throws, and ``RewardError`` for weights that cannot be read or a
  /// program that cannot be started.
  package static func reward(_ settings: RewardSettings) throws(RewardError) -> any Reward {
    try check(settings)
    switch settings.name {
    case "aesthetic": return try NetworkReward(AestheticNetwork(settings), settings)
    case "clipscore": return try NetworkReward(CLIPRewardNetwork(.clipScore, settings), settings)
    case "hpsv2": return try NetworkReward(CLIPRewardNetwork(.hpsv2, settings), settings)
    case "geneval": return try GenEvalReward(settings)
    case "jpeg_compressibility": return JPEGReward(.compressibility, name: settings.label)
    case "jpeg_incompressibility": return JPEGReward(.incompressibility, name: settings.label)
    case "hpsv3": return try NetworkReward(HPSv3Network(settings), settings)
    case "imagereward": return try NetworkReward(ImageRewardNetwork(settings), settings)
    case "http": return try HTTPReward(settings)
    case "ocr": return try OCRReward(settings)
    case "process": return try ProcessReward(settings)
    case "pickscore": return try NetworkReward(CLIPRewardNetwork(.pickScore, settings), settings)
    case "shapes": return ShapesReward(settings)
    case "unifiedreward", "vlm": return try ChatReward(settings)
    default: throw .unknown(name: settings.name, known: names)
    }
  }
}

extension RewardSettings {
  /// Whether the looking is done by a service behind HTTP.
  package var isRemote: Bool { backend == RewardFamily.remote }

  /// Looks for settings that are missing or out of range.
  fileprivate func checkValues(_ family: RewardFamily) throws(RewardError) {
    if label.wholeMatch(of: /[A-Za-z0-9_-]+/) == nil {
      throw .label(label)
    }
    func refuse(_ key: Key, _ reason: String) -> RewardError {
      .setting(reward: label, key: key, reason: reason)
    }
    let required = family.required + (isRemote ? [.urls] : [])
    let missing = required.first { key in
      switch key {
      case .model: model == nil
      case .command: command.isEmpty
      case .urls: urls.isEmpty
      case .prompt: prompt == nil
      default: false
      }
    }
    if let missing { throw refuse(missing, "is required and missing") }
    if !urls.isEmpty { _ = try checkedURLs() }
    _ = try checkedProxy()
    if let pattern { try ChatReward.check(pattern: pattern, label: label) }
    if batchSize < 1 { throw refuse(.batchSize, "must be at least 1, found \(batchSize)") }
    if !(timeout > 0 && timeout.isFinite) {
      throw refuse(.timeout, "must be a number of seconds above 0, found \(timeout)")
    }
    if retries < 0 { throw refuse(.retries, "must be at least 0, found \(retries)") }
    if !(outageTimeout >= 0 && outageTimeout.isFinite) {
      throw refuse(.outageTimeout, "must be a number of seconds from 0, found \(outageTimeout)")
    }
    if concurrency < 1 { throw refuse(.concurrency, "must be at least 1, found \(concurrency)") }
    if let variable = apiKeyVariable, variable.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_]*/) == nil {
      // What was written may be the key itself, so it is not repeated.
      throw refuse(
        .apiKeyVariable,
        "must be the name of an environment variable that holds the key, such as API_KEY")
    }
  }
}
