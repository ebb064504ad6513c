/// What a reward's settings may be: known without loading it.
package struct RewardFamily: Sendable {
  /// The name recipes use.
  package let name: String
  /// What the total can be, the default first; empty for a reward with one meaning.
  package var modes: [String] = []
  /// What can do the looking, the default first; empty for a reward that does it itself.
  package var backends: [String] = []
  /// The settings it reads, whatever the engine.
  package var keys: [RewardSettings.Key] = []
  /// Those of them that have no default.
  package var required: [RewardSettings.Key] = []

  /// The settings of a network whose weights are in a folder.
  static let network: [RewardSettings.Key] = [.model, .precision, .device, .batchSize]
  /// The settings of a service behind HTTP.
  static let service: [RewardSettings.Key] = [
    .urls, .proxy, .timeout, .retries, .outageTimeout, .concurrency, .apiKeyVariable,
  ]
  /// The engine that is a service behind HTTP.
  static let remote = "remote"

  /// What the settings leave without effect, and why; nil when the key is read.
  ///
  /// - Parameter backend: the backend that was chosen.
  package func reasonUnused(_ key: RewardSettings.Key, backend: String?) -> String? {
    guard let backend, backend != Self.remote, Self.service.contains(key), key != .timeout,
      key != .concurrency
    else { return nil }
    return "backend is \(backend)"
  }

  /// Every reward there is, in alphabetical order.
  package static let all: [RewardFamily] = [
    .init(name: "aesthetic", keys: network, required: [.model]),
    .init(name: "clipscore", keys: network, required: [.model]),
    .init(
      name: "geneval", modes: GenEvalReward.Mode.allCases.map(\.rawValue),
      backends: ["shapes", remote], keys: [.mode, .backend, .batchSize] + service),
    .init(name: "hpsv2", keys: network, required: [.model]),
    .init(name: "hpsv3", keys: network, required: [.model]),
    .init(name: "http", keys: service + [.batchSize], required: [.urls]),
    .init(name: "imagereward", keys: network, required: [.model]),
    .init(name: "jpeg_compressibility"),
    .init(name: "jpeg_incompressibility"),
    .init(
      name: "ocr", backends: ["tesseract", remote], keys: [.backend, .batchSize] + service),
    .init(name: "pickscore", keys: network, required: [.model]),
    .init(
      name: "process", keys: [
        .command, .directory, .timeout, .retries, .outageTimeout, .concurrency, .batchSize, .imageTransport,
      ],
      required: [.command]),
    .init(name: "shapes", modes: ShapesReward.Mode.allCases.map(\.rawValue), keys: [.mode]),
    .init(name: "unifiedreward", keys: service + [.model, .prompt, .pattern], required: [.urls]),
    .init(name: "vlm", keys: service + [.model, .prompt, .pattern], required: [.urls, .prompt]),
  ]
}
