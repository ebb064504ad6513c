package import Recipes
package import Torch

/// The keys of a reward that is a network: `model`, `precision`, `device` and `batch_size`.
package struct NetworkSettings: Sendable, Equatable {
  /// What metrics and errors call the reward.
  package var label: String
  /// The folder of weights.
  package var model: String
  /// Precision of the weights.
  package var precision: DType
  /// Where the network runs.
  package var device: Device
  /// The largest number of images in one call, 1...
  package var batchSize: Int

  package init(
    label: String, model: String, precision: DType = .float32, device: Device = .cpu,
    batchSize: Int = 16
  ) {
    self.label = label
    self.model = model
    self.precision = precision
    self.device = device
    self.batchSize = batchSize
  }

  /// Reads the keys of a recipe's entry.
  ///
  /// - Parameter device: the default.
  init(_ section: RecipeSection, label: String, device: Device) {
    self.init(
      label: label, model: section.path("model"),
      precision: section.choice("precision", default: PrecisionName.float32).dtype,
      device: DeviceName.read(section, default: device),
      batchSize: section.int("batch_size", in: 1..., default: 16))
  }
}

/// A kind of reward that is a network with weights in a folder.
package protocol NetworkRewardFactory: RewardFactory {
  var settings: NetworkSettings { get }

  init(_ settings: NetworkSettings)
}

extension NetworkRewardFactory {
  package init(_ section: RecipeSection, label: String, device: Device) {
    self.init(NetworkSettings(section, label: label, device: device))
  }

  package var label: String { settings.label }
  package var device: Device? { settings.device }
}
