internal import Foundation
package import Rewards
package import Runs
package import Torch

/// One entry of `rewards`.
package struct RewardRecipe: Sendable, Equatable {
  /// What the scorer is made from.
  package var settings: RewardSettings
  /// Factor in the sum of rewards.
  package var weight: Double

  /// The scorer; see `RewardRegistry`.
  package var name: String { settings.name }
  /// What metrics and reports call it.
  package var label: String { settings.label }
}

extension RewardRecipe {
  /// Reads the settings of one scorer, given on a command line as in an entry of `rewards`.
  ///
  /// - Parameters:
  ///   - name: the reward.
  ///   - overrides: `key=value` each, the value in YAML; relative paths start from the current
  ///     folder.
  /// - Throws: everything wrong with them, unknown keys included.
  package static func settings(
    _ name: String, _ overrides: [String]
  ) throws(RecipeError) -> Recipe<RewardSettings> {
    let document = try RecipeDocument(
      text: "", name: "the reward \(name)", folder: FileManager.default.currentDirectoryPath,
      overrides: ["name=\(name)"] + overrides)
    return try document.read(renamed: .reward) { RewardSettings($0, device: .cpu) }
  }

  /// Reads the list `rewards`.
  ///
  /// - Parameter device: where the model runs, and networks that score unless told otherwise.
  static func list(_ root: RecipeSection, device: Device) -> [RewardRecipe] {
    let rewards = root.sections("rewards").map { section in
      RewardRecipe(
        settings: RewardSettings(section, device: device),
        weight: section.double("weight", in: -1e6...1e6, default: 1))
    }
    if rewards.isEmpty {
      root.report("rewards", "needs at least one entry, such as {name: shapes, weight: 1}")
    }
    if rewards.allSatisfy({ $0.weight == 0 }), !rewards.isEmpty {
      root.report("rewards", "every weight is 0, so there is nothing to learn")
    }
    let labels = rewards.map(\.label)
    if let twice = labels.first(where: { label in labels.count { $0 == label } > 1 }) {
      root.report("rewards", "two entries are called \(twice); give one of them a label")
    }
    return rewards
  }
}

extension RewardSettings {
  /// Reads the keys that the named reward uses; any other is an unknown key.
  init(_ section: RecipeSection, device: Device) {
    let name = section.string("name")
    self.init(name, label: section.string("label", default: name))
    let family: RewardFamily
    do throws(RewardError) {
      family = try RewardRegistry.family(name)
    } catch {
      section.report("name", error.description)
      for key in Key.allCases { _ = section.shape(of: key.rawValue) }
      return
    }
    self.device = device
    for key in family.keys {
      if let reason = family.reasonUnused(key, backend: backend ?? family.backends.first) {
        section.unused(key.rawValue, because: reason)
      } else {
        read(key, section, family)
      }
    }
    do throws(RewardError) {
      try RewardRegistry.check(self)
    } catch .setting(_, let key, let reason) {
      section.report(key.rawValue, reason)
    } catch .label(let label) {
      section.report("label", RewardError.label(label).description)
    } catch {
      // A program that is missing may be planned with; a mode or engine was reported when it was
      // read.
    }
  }

  private mutating func read(_ key: Key, _ section: RecipeSection, _ family: RewardFamily) {
    let name = key.rawValue
    switch key {
    case .mode: mode = Self.choice(name, section, of: family.modes)
    case .backend: backend = Self.choice(name, section, of: family.backends)
    case .model:
      // A network's weights are a folder; a service has a name for the model it serves.
      let isFolder = family.required.contains(.model)
      model = section.optional(name, isFolder ? .path : .string)
    case .precision: precision = section.choice(name, default: PrecisionName.float32).dtype
    case .device: device = DeviceName.read(section, default: device)
    case .batchSize: batchSize = section.int(name, in: 1..., default: batchSize)
    case .command: command = section.list(name, of: .string, default: [])
    case .directory: directory = section.path(name, default: ".")
    case .urls: urls = section.list(name, of: .string, default: [])
    case .proxy: proxy = section.optional(name, .string)
    case .timeout: timeout = section.double(name, in: .above(0), default: timeout)
    case .retries: retries = section.int(name, in: 0...100, default: retries)
    case .outageTimeout: outageTimeout = section.double(name, in: 0..., default: outageTimeout)
    case .concurrency: concurrency = section.int(name, in: 1...1024, default: concurrency)
    case .apiKeyVariable: apiKeyVariable = section.optional(name, .string)
    case .prompt: prompt = section.optional(name, .string)
    case .pattern: pattern = section.optional(name, .string)
    case .imageTransport: imageTransport = section.choice(name, default: imageTransport)
    }
  }

  private static func choice(
    _ key: String, _ section: RecipeSection, of known: [String]
  ) -> String? {
    let value = section.string(key, default: known.first)
    if !known.contains(value) {
      section.report(key, "must be one of \(known.joined(separator: ", ")), found \(value)")
    }
    return value
  }
}

/// The names of a device: `cpu`, `cuda` or `cuda:1`.
enum DeviceName {
  /// Reads the key `device`.
  static func read(_ section: RecipeSection, default defaultDevice: Device) -> Device {
    let text = section.string("device", default: defaultDevice.description)
    if let device = Device(name: text) { return device }
    section.report("device", "must be cpu, cuda or cuda:N, found \"\(text)\"")
    return defaultDevice
  }
}
